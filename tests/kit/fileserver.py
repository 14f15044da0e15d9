"""A folder over HTTP on loopback, with byte ranges, and with the faults of bad links."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class FileServer:
    """Serves `folder`. cut_every_bytes: the link breaks after so many body bytes of each answer."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cut_every_bytes: int | None = None
        self.cut_only = ""
        """Only files whose path has this in it are cut."""
        self.endless_path = ""
        """This file never ends."""
        self.stall_after_bytes: int | None = None
        """Of each file, over all requests; then nothing more comes, and the link stays open."""
        self.stall_only = ""
        self.ignores_ranges = False
        self.bytes_sent: dict[str, int] = {}
        self.requests: list[str] = []
        self.released = threading.Event()
        """Ends every stall."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"files": self}))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[FileServer]:
    server = FileServer(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Without this each answer waits for the delayed acknowledgement of the one before.
    disable_nagle_algorithm = True
    files: FileServer

    def do_GET(self) -> None:
        self.files.requests.append(self.path)
        path = self.files.folder / self.path.lstrip("/")
        if path.is_file():
            self._send(path.read_bytes())
            return
        self.send_response(404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, content: bytes) -> None:
        begin = self._first_byte()
        is_endless = bool(self.files.endless_path) and self.files.endless_path in self.path
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(10**9 if is_endless else len(content) - begin))
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        with contextlib.suppress(OSError):
            self._send_body(content[begin:], is_endless=is_endless)

    def _send_body(self, body: bytes, *, is_endless: bool) -> None:
        while is_endless:
            self._count(body + b"x" * 65536)
        stall_bytes = self.files.stall_after_bytes
        if stall_bytes is not None and self.files.stall_only in self.path:
            self._count(body[: max(0, stall_bytes - self.files.bytes_sent.get(self.path, 0))])
            self.wfile.flush()
            self.files.released.wait(60)
            self.close_connection = True
            return
        limit_bytes = self.files.cut_every_bytes
        if limit_bytes is None or self.files.cut_only not in self.path or len(body) <= limit_bytes:
            self._count(body)
            return
        self._count(body[:limit_bytes])
        self.wfile.flush()
        # What was sent arrives; then the line is dead.
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True

    def _first_byte(self) -> int:
        header = self.headers.get("Range", "")
        return 0 if self.files.ignores_ranges or not header else int(header.removeprefix("bytes=").rstrip("-"))

    def _count(self, body: bytes) -> None:
        self.files.bytes_sent[self.path] = self.files.bytes_sent.get(self.path, 0) + len(body)
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Quiet."""
