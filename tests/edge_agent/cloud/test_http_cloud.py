"""The device protocol over real HTTP on loopback: what each answer means, and how a wrong clock is overcome."""

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import jwt
import pytest
import zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge_agent.cloud import CloudRefused, CloudUnreachable, HttpCloud
from edge_agent.identity import Credentials, KeyPair
from edge_agent.wire.codec import decode, encode
from edge_agent.wire.messages import CheckinRequest, DesiredState, ErrorReply, SyncReply, SyncRequest
from edge_agent.wire.token import body_hash
from tests.kit.handclock import HandClock

STATE = DesiredState(revision="1", checkin_interval_s=5.0, server_time_ms=1_750_000_000_000)
SERVER_S = 1_750_000_000


class Scripted:
    """Answers each request by `answer(request)`, which returns (status, body, headers)."""

    def __init__(self):
        self.requests = []
        self.answer = lambda request: (200, encode(STATE), {})


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    script: Scripted

    def respond(self):
        request = SimpleNamespace(
            command=self.command,
            path=self.path,
            headers=self.headers,
            body=self.rfile.read(int(self.headers.get("Content-Length") or 0)),
            token=self.headers.get("Authorization", "").removeprefix("Device "),
        )
        self.script.requests.append(request)
        status, body, headers = self.script.answer(request)
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(b"" if self.command == "HEAD" else body)

    do_GET = do_POST = do_HEAD = do_PATCH = respond  # noqa: N815  the base class names them

    def log_message(self, *args):
        pass


@pytest.fixture
def script():
    return Scripted()


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def cloud(script, clock):
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Handler,), {"script": script}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    credentials = Credentials(keys=KeyPair(Ed25519PrivateKey.generate()), subject="d-1")
    client = HttpCloud(f"http://127.0.0.1:{server.server_port}", credentials=credentials, clock=clock)
    yield client
    client.close()
    server.shutdown()
    thread.join()
    server.server_close()


def checkin(cloud, **fields):
    return cloud.checkin(CheckinRequest(at_ms=1, agent_version="0.1.0", **fields))


def error(code, **fields):
    return encode(ErrorReply(error="No.", code=code, **fields))


def claims_of(token):
    return jwt.decode(token, options={"verify_signature": False})


def test_a_checkin_brings_the_desired_state_and_the_servers_time(cloud, clock):
    assert checkin(cloud) == STATE
    clock.turn(2.5)
    assert cloud.server_time.now_ms() == STATE.server_time_ms + 2500


def test_each_request_carries_a_token_for_its_own_bytes(cloud, script):
    checkin(cloud)
    (request,) = script.requests
    claims = claims_of(request.token)
    assert (claims["htm"], claims["htu"], claims["sub"]) == ("POST", "/device/v1/checkin", "d-1")
    assert claims["bh"] == body_hash(request.body)


def test_a_large_body_is_compressed_and_the_token_covers_what_is_sent(cloud, script):
    script.answer = lambda request: (200, encode(SyncReply(acks=[])), {})
    cloud.sync(SyncRequest(batches=[]))
    script.answer = lambda request: (200, encode(STATE), {})
    checkin(cloud, boot_id="b" * 200, orders_revision="r" * 200)
    small, large = script.requests
    assert small.headers["Content-Encoding"] is None
    assert large.headers["Content-Encoding"] == "zstd"
    plain = zstandard.ZstdDecompressor().decompress(large.body)
    assert decode(plain, CheckinRequest).boot_id == "b" * 200
    assert claims_of(large.token)["bh"] == body_hash(large.body)


def expects_server_time(request):
    is_right = abs(claims_of(request.token)["iat"] - SERVER_S) < 30
    refusal = error("token_expired", server_time_ms=SERVER_S * 1000)
    return (200, encode(STATE), {}) if is_right else (401, refusal, {})


@pytest.mark.parametrize("clock", [HandClock(wall_ms=0), HandClock(wall_ms=4_000_000_000_000)], ids=["1970", "2096"])
def test_a_wrong_clock_is_overcome_by_signing_once_more_with_the_servers_time(cloud, script):
    script.answer = expects_server_time
    assert checkin(cloud) == STATE
    assert len(script.requests) == 2
    checkin(cloud)
    assert len(script.requests) == 3


def test_a_server_that_refuses_every_time_is_not_asked_for_ever(cloud, script):
    script.answer = lambda request: (401, error("token_expired", server_time_ms=1), {})
    with pytest.raises(CloudRefused, match="token_expired"):
        checkin(cloud)
    assert len(script.requests) == 2


def test_another_401_is_a_refusal_at_once(cloud, script):
    script.answer = lambda request: (401, error("device_unknown", server_time_ms=1), {})
    with pytest.raises(CloudRefused) as caught:
        checkin(cloud)
    assert caught.value.code == "device_unknown"
    assert len(script.requests) == 1


@pytest.mark.parametrize(
    ("status", "code"), [(400, "body_malformed"), (403, "device_revoked"), (409, "digest_mismatch")]
)
def test_a_refusal_keeps_its_code(cloud, script, status, code):
    script.answer = lambda request: (status, error(code), {})
    with pytest.raises(CloudRefused) as caught:
        checkin(cloud)
    assert (caught.value.code, caught.value.text) == (code, "No.")


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_busy_or_broken_server_means_later(cloud, script, status):
    script.answer = lambda request: (status, error("busy", retry_after_s=12.0), {})
    with pytest.raises(CloudUnreachable) as caught:
        checkin(cloud)
    assert caught.value.retry_after_s == 12.0


def test_a_proxys_retry_after_is_heard_and_bounded(cloud, script):
    script.answer = lambda request: (503, b"<html>", {"Retry-After": "99999"})
    with pytest.raises(CloudUnreachable) as caught:
        checkin(cloud)
    assert caught.value.retry_after_s == 3600.0


@pytest.mark.parametrize("status", [200, 302, 403, 407])
def test_an_answer_that_is_not_the_clouds_means_later(cloud, script, status):
    script.answer = lambda request: (status, b"<html>Please sign in</html>", {})
    with pytest.raises(CloudUnreachable):
        checkin(cloud)


def test_an_endless_reply_is_cut_off(cloud, script):
    script.answer = lambda request: (200, bytes(6 * 1024 * 1024), {})
    with pytest.raises(CloudUnreachable, match="more than"):
        checkin(cloud)


def test_nobody_listening_means_later(clock):
    credentials = Credentials(keys=KeyPair(Ed25519PrivateKey.generate()), subject="d-1")
    client = HttpCloud("http://127.0.0.1:9", credentials=credentials, clock=clock)
    with pytest.raises(CloudUnreachable):
        checkin(client)
    client.close()


def test_an_images_offset_is_asked_and_moved(cloud, script):
    script.answer = lambda request: (200, b"", {"Upload-Offset": "10", "Upload-Complete": "?0"})
    assert cloud.image_offset("a" * 64) == 10
    script.answer = lambda request: (204, b"", {"Upload-Offset": "13"})
    assert cloud.image_send("a" * 64, 10, b"abc", 20) == 13
    sent = script.requests[-1]
    assert (sent.command, sent.path) == ("PATCH", "/device/v1/images/" + "a" * 64)
    assert (sent.headers["Upload-Offset"], sent.headers["Upload-Length"], sent.body) == ("10", "20", b"abc")
    assert claims_of(sent.token)["bh"] == body_hash(b"abc")


def test_a_wrong_offset_is_corrected_by_the_cloud(cloud, script):
    script.answer = lambda request: (409, error("offset_mismatch"), {"Upload-Offset": "7"})
    assert cloud.image_send("a" * 64, 10, b"abc", 20) == 7


def test_an_image_that_nobody_wants_and_one_that_is_none_are_refusals(cloud, script):
    script.answer = lambda request: (404, b"", {})
    with pytest.raises(CloudRefused, match="image_not_wanted"):
        cloud.image_offset("a" * 64)
    script.answer = lambda request: (422, error("not_an_image"), {})
    with pytest.raises(CloudRefused, match="not_an_image"):
        cloud.image_send("a" * 64, 0, b"abc", 3)


def test_a_missing_file_is_a_refusal(cloud, script):
    script.answer = lambda request: (404, b"", {})
    with pytest.raises(CloudRefused, match="not_found"):
        list(cloud.fetch("/tuf/metadata/2.root.json"))


def test_a_fetch_from_the_middle_asks_for_a_range_and_never_for_compression(cloud, script):
    script.answer = lambda request: (206, b"cdef", {})
    assert b"".join(cloud.fetch("/tuf/targets/x.zip", 2)) == b"cdef"
    assert script.requests[-1].headers["Range"] == "bytes=2-"
    assert script.requests[-1].headers["Accept-Encoding"] == "identity"


def test_the_wall_clocks_error_is_known_once_the_server_told_its_time(cloud, clock):
    assert cloud.server_time.wall_offset_ms() is None
    checkin(cloud)
    assert cloud.server_time.wall_offset_ms() == clock.wall_ms() - STATE.server_time_ms
