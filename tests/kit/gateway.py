"""A real gateway on loopback against the test database, and a small device that signs its requests."""

import base64
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import jwt
import msgspec
import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from apps.devices.models import Device
from apps.devices.states import Admission
from apps.gateway.asgi import Application, Limits
from edge_agent.wire import paths
from edge_agent.wire.codec import decode, encode
from edge_agent.wire.messages import Batch, ErrorReply, SyncReply, SyncRequest
from edge_agent.wire.token import TOKEN_ALGORITHM, TOKEN_AUDIENCE, TOKEN_LIFETIME_S, body_hash
from tests.factories.devices import DeviceFactory


@contextmanager
def serving(limits: Limits | None = None, *, port: int = 0) -> Iterator[str]:
    """The address of a gateway that lives as long as the block."""
    listener = socket.create_server(("127.0.0.1", port))
    config = uvicorn.Config(Application(limits), lifespan="on", ws="none", log_config=None, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the gateway did not start"
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@dataclass
class SigningDevice:
    """Speaks the protocol by hand, so that tests can also speak it wrongly."""

    url: str
    device: Device | None = None
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    clock_offset_s: float = 0.0

    @property
    def public_key(self) -> str:
        return base64.urlsafe_b64encode(self.key.public_key().public_bytes_raw()).rstrip(b"=").decode()

    @property
    def id(self) -> str:
        assert self.device is not None
        return str(self.device.pk)

    def token(self, method: str, path: str, body: bytes, **changes: object) -> str:
        now_s = int(time.time() + self.clock_offset_s)
        claims = {
            "sub": self.id if self.device else self.public_key,
            "aud": TOKEN_AUDIENCE,
            "iat": now_s,
            "exp": now_s + TOKEN_LIFETIME_S,
            "jti": uuid.uuid4().hex,
            "htm": method,
            "htu": path,
            "bh": body_hash(body),
        }
        return jwt.encode(claims | changes, self.key, algorithm=TOKEN_ALGORITHM)

    def request(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        headers: dict[str, str] | None = None,
        token: str | None = None,
    ) -> httpx.Response:
        """token: None signs this request; "" sends none."""
        signed = self.token(method, path, body) if token is None else token
        auth = {"Authorization": f"Device {signed}"} if signed else {}
        with httpx.Client(base_url=self.url, trust_env=False, timeout=30) as client:
            return client.request(method, path, content=body, headers=auth | (headers or {}))

    def post(self, path: str, message: msgspec.Struct) -> httpx.Response:
        return self.request("POST", path, encode(message))

    def sync(self, *batches: Batch) -> httpx.Response:
        return self.post(paths.SYNC, SyncRequest(batches=list(batches)))


def device_at(url: str, **fields: object) -> SigningDevice:
    """An enrolled device with a key of its own."""
    client = SigningDevice(url)
    client.device = DeviceFactory(public_key=client.public_key, **({"state": Admission.ENROLLED} | fields))
    return client


def refusal(response: httpx.Response) -> ErrorReply:
    assert response.status_code >= 400, response.status_code
    error = decode(response.content, ErrorReply)
    assert error.error
    assert abs(error.server_time_ms / 1000 - time.time()) < 60
    return error


def acks(response: httpx.Response) -> dict[str, int]:
    assert response.status_code == 200, decode(response.content, ErrorReply)
    return {ack.stream: ack.watermark for ack in decode(response.content, SyncReply).acks}
