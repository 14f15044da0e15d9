"""A small cloud on loopback: speaks the device protocol and keeps its own ledger. For tests of the agent alone.

It checks what the real one checks of numbers and digests, and nothing of tokens but that there is one.
"""

import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import zstandard

from edge_agent.wire import paths
from edge_agent.wire.codec import GENESIS_DIGEST, chain_digest, decode, encode
from edge_agent.wire.messages import (
    Batch,
    CheckinRequest,
    DesiredState,
    EnrolReply,
    EnrolRequest,
    ErrorReply,
    StreamAck,
    SyncReply,
    SyncRequest,
)
from edge_agent.wire.words import StreamKind


class Refusal(Exception):
    def __init__(self, status, code):
        super().__init__(code)
        self.status = status
        self.code = code


@dataclass
class Stream:
    """What the cloud holds of one stream. The watermark is the number of bodies."""

    kind: StreamKind
    bodies: list[bytes] = field(default_factory=list)
    digests: list[str] = field(default_factory=lambda: [GENESIS_DIGEST])
    repeated_count: int = 0

    @property
    def watermark(self):
        return len(self.bodies)

    def take(self, batch: Batch):
        """Add what is new. Refuses a history that is not the one held."""
        if batch.first_seq > self.watermark + 1:
            # A gap adds nothing; the watermark in the answer says so.
            return
        if batch.digest_before != self.digests[batch.first_seq - 1]:
            raise Refusal(409, "digest_mismatch")
        digest = batch.digest_before
        for seq, item in enumerate(batch.items, start=batch.first_seq):
            digest = chain_digest(digest, [item])
            if seq <= self.watermark:
                self.repeated_count += 1
                if digest != self.digests[seq]:
                    raise Refusal(409, "digest_mismatch")
            else:
                self.bodies.append(bytes(item))
                self.digests.append(digest)
        if digest != batch.digest_after:
            raise Refusal(409, "digest_mismatch")


@dataclass
class Image:
    size_bytes: int
    content: bytes = b""


class Ledger:
    """All that the cloud knows. One lock: requests are served one at a time."""

    def __init__(self):
        self.lock = threading.Lock()
        self.streams: dict[str, Stream] = {}
        self.images: dict[str, Image] = {}
        self.checkins: list[CheckinRequest] = []
        self.desired = DesiredState(revision="1", checkin_interval_s=1.0, server_time_ms=0)
        self.lost_replies = 0
        """How many sync replies are still to be lost after the records were taken."""
        self.request_count = 0
        self.order: list[StreamKind] = []
        self.unwanted_images: set[str] = set()
        self.refused_images: dict[str, str] = {}
        """Codes by sha256."""
        self.files: Path | None = None
        """What is served besides: a folder with an artifact repository."""
        self.tuf_root = b""

    def of_kind(self, kind):
        return [stream for stream in self.streams.values() if stream.kind is kind]

    def sync(self, request: SyncRequest) -> SyncReply:
        for batch in request.batches:
            self.order.append(batch.kind)
            self.streams.setdefault(batch.stream, Stream(kind=batch.kind)).take(batch)
        streams = [batch.stream for batch in request.batches]
        acks = [StreamAck(stream=stream, watermark=self.streams[stream].watermark) for stream in streams]
        return SyncReply(acks=acks, server_time_ms=_now_ms())


def _now_ms():
    return time.time_ns() // 1_000_000


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Replies are small; without this each waits for the delayed acknowledgement of the one before.
    disable_nagle_algorithm = True
    ledger: Ledger

    def log_message(self, *args):
        pass

    def do_POST(self):
        body = self._body()
        if self.headers.get("Content-Encoding") == "zstd":
            body = zstandard.ZstdDecompressor().decompress(body, max_output_size=16 * 1024 * 1024)
        with self.ledger.lock:
            self.ledger.request_count += 1
            self._answer_post(body)

    def _answer_post(self, body):
        try:
            reply = self._reply(body)
        except Refusal as exc:
            self._send(exc.status, encode(ErrorReply(error=exc.code, code=exc.code, server_time_ms=_now_ms())))
            return
        if self.path == paths.SYNC and self.ledger.lost_replies > 0:
            self.ledger.lost_replies -= 1
            self.close_connection = True
            return
        self._send(200, encode(reply))

    def _reply(self, body):
        if not self.headers.get("Authorization", "").startswith("Device "):
            raise Refusal(401, "token_missing")
        if self.path == paths.ENROL:
            decode(body, EnrolRequest)
            return EnrolReply(
                device_id="device-1",
                name="Device 1",
                site="Site",
                line="line-1",
                server_time_ms=_now_ms(),
                tuf_root=self.ledger.tuf_root,
            )
        if self.path == paths.CHECKIN:
            self.ledger.checkins.append(decode(body, CheckinRequest))
            return self.ledger.desired
        if self.path == paths.SYNC:
            return self.ledger.sync(decode(body, SyncRequest))
        raise Refusal(404, "not_found")

    def do_GET(self):
        path = self.ledger.files / self.path.lstrip("/") if self.ledger.files else None
        if path is None or not path.is_file():
            self._send(404, b"")
            return
        first_byte = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        self._send(206 if first_byte else 200, path.read_bytes()[first_byte:])

    def do_HEAD(self):
        sha256 = self.path.removeprefix(paths.IMAGES)
        with self.ledger.lock:
            if sha256 in self.ledger.unwanted_images:
                self._send(404, b"")
                return
            image = self.ledger.images.setdefault(sha256, Image(size_bytes=-1))
            is_complete = len(image.content) == image.size_bytes
            headers = {"Upload-Offset": str(len(image.content)), "Upload-Complete": "?1" if is_complete else "?0"}
            self._send(200, b"", headers)

    def do_PATCH(self):
        body = self._body()
        code = self.ledger.refused_images.get(self.path.removeprefix(paths.IMAGES))
        if code is not None:
            self._send(422, encode(ErrorReply(error=code, code=code, server_time_ms=_now_ms())))
            return
        with self.ledger.lock:
            image = self.ledger.images[self.path.removeprefix(paths.IMAGES)]
            is_right = int(self.headers["Upload-Offset"]) == len(image.content)
            if is_right:
                image.content += body
                image.size_bytes = int(self.headers["Upload-Length"])
            self._send(204 if is_right else 409, b"", {"Upload-Offset": str(len(image.content))})

    def _body(self):
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _send(self, status, body, headers=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class FakeCloud:
    """Starts and stops like a real one: the ledger and the port stay the same."""

    def __init__(self):
        self.ledger = Ledger()
        self._handler = type("Handler", (_Handler,), {"ledger": self.ledger})
        self._server = None
        self._thread = None
        self.port = 0
        self.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        self._server = _Server(("127.0.0.1", self.port), self._handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def stop(self):
        if self._server is None:
            return
        self._server.shutdown()
        self._thread.join()
        self._server.close_connections()
        self._server.server_close()
        self._server = None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    block_on_close = False

    def __init__(self, *args):
        super().__init__(*args)
        self._open = set()

    def process_request(self, request, client_address):
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request, client_address):
        """A client that was killed is what these tests are about."""

    def close_connections(self):
        """Cut what is kept alive, so that a stopped cloud is really gone."""
        for request in list(self._open):
            self.shutdown_request(request)
