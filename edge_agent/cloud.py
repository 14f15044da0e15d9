"""The cloud as the device sees it: a Protocol, and the real one over HTTP."""

import contextlib
import logging
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Protocol, TypeVar

import httpx
import msgspec

from edge_agent import protocol
from edge_agent.clock import Clock
from edge_agent.identity import Credentials
from edge_agent.protocol import CloudError, CloudRefused, CloudUnreachable, Reply, Request
from edge_agent.wire.messages import (
    CheckinRequest,
    DesiredState,
    EnrolReply,
    EnrolRequest,
    SyncReply,
    SyncRequest,
)
from edge_agent.wire.paths import HEALTHZ

__all__ = ["CloudClient", "CloudError", "CloudRefused", "CloudUnreachable", "HttpCloud", "ServerTime"]

logger = logging.getLogger(__name__)
T = TypeVar("T", bound=msgspec.Struct)

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 15.0
"""Also the longest silence within a download: a stalled one ends here and goes on from its offset later."""
REPLY_BYTES_MAX = 4 * 1024 * 1024
_CHUNK_BYTES = 64 * 1024


class CloudClient(Protocol):
    """Every method raises CloudUnreachable (try later) or CloudRefused (never)."""

    def enrol(self, request: EnrolRequest) -> EnrolReply: ...

    def sync(self, request: SyncRequest) -> SyncReply: ...

    def checkin(self, request: CheckinRequest) -> DesiredState: ...

    def image_offset(self, sha256: str) -> int:
        """How many bytes the cloud has; CloudRefused("image_not_wanted") when it wants none."""
        ...

    def image_send(self, sha256: str, offset: int, data: bytes, size_bytes: int) -> int:
        """Send bytes from `offset` on; the offset to go on from, which may be another one than expected."""
        ...

    def fetch(self, path: str, first_byte: int = 0) -> Iterator[bytes]:
        """The bytes of a file from `first_byte` on, in pieces, as they come."""
        ...


class ServerTime:
    """The cloud's time, carried on by the monotonic clock, because the device's wall clock lies.

    Until a reply told it, the wall clock is believed. Safe to use from several threads.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._anchor: tuple[int, float] | None = None

    def learn(self, server_time_ms: int) -> None:
        if server_time_ms > 0:
            self._anchor = (server_time_ms, self._clock.monotonic_s())

    def now_ms(self) -> int:
        anchor = self._anchor
        if anchor is None:
            return self._clock.wall_ms()
        server_time_ms, learned_s = anchor
        return server_time_ms + int((self._clock.monotonic_s() - learned_s) * 1000)

    def wall_offset_ms(self) -> int | None:
        """How far the wall clock is ahead of the cloud's; None until a reply told the time."""
        return None if self._anchor is None else self._clock.wall_ms() - self.now_ms()


@dataclass(frozen=True, slots=True)
class CloudProbe:
    """wall_offset_ms: how far our wall clock is ahead, good to a second; None when the reply bears no date."""

    round_trip_ms: float
    wall_offset_ms: int | None


class HttpCloud:
    """The gateway over HTTP. Safe to use from several threads; connections are kept."""

    def __init__(
        self,
        base_url: str,
        *,
        credentials: Credentials,
        clock: Clock,
        ca_file: Path | None = None,
        read_timeout_s: float = READ_TIMEOUT_S,
    ) -> None:
        """ca_file: the plant's own certificate authority, beside the public ones."""
        context = ssl.create_default_context()
        if ca_file:
            context.load_verify_locations(ca_file)
        self._credentials = credentials
        self._clock = clock
        self.server_time = ServerTime(clock)
        self._http = httpx.Client(
            base_url=base_url,
            verify=context,
            timeout=httpx.Timeout(read_timeout_s, connect=CONNECT_TIMEOUT_S),
            trust_env=False,
        )

    def enrol(self, request: EnrolRequest) -> EnrolReply:
        reply = self._call(protocol.enrol_request(request), EnrolReply)
        self.server_time.learn(reply.server_time_ms)
        return reply

    def sync(self, request: SyncRequest) -> SyncReply:
        reply = self._call(protocol.sync_request(request), SyncReply)
        self.server_time.learn(reply.server_time_ms)
        return reply

    def checkin(self, request: CheckinRequest) -> DesiredState:
        reply = self._call(protocol.checkin_request(request), DesiredState)
        self.server_time.learn(reply.server_time_ms)
        return reply

    def image_offset(self, sha256: str) -> int:
        return protocol.read_offset(self._send(protocol.image_offset_request(sha256)))

    def image_send(self, sha256: str, offset: int, data: bytes, size_bytes: int) -> int:
        request = protocol.image_send_request(sha256, offset=offset, content=data, size_bytes=size_bytes)
        return protocol.read_offset(self._send(request))

    def fetch(self, path: str, first_byte: int = 0) -> Iterator[bytes]:
        request = protocol.fetch_request(path, first_byte=first_byte)
        with self._opened(request) as response:
            if not response.is_success:
                raise protocol.refusal(_reply(response))
            # A server that ignores the range sends the file from its start: what we have already is skipped.
            skip_bytes = first_byte if response.status_code == 200 else 0
            yield from _skipping(_pieces(response), skip_bytes)

    def probe(self) -> CloudProbe:
        """Ask whether the gateway answers. Changes nothing there. Raises CloudUnreachable."""
        started_s = self._clock.monotonic_s()
        with _translated():
            response = self._http.get(HEALTHZ)
        if not response.is_success:
            raise protocol.refusal(_reply(response))
        return CloudProbe(
            round_trip_ms=(self._clock.monotonic_s() - started_s) * 1000,
            wall_offset_ms=_wall_offset_ms(response.headers.get("Date", ""), self._clock.wall_ms()),
        )

    def close(self) -> None:
        self._http.close()

    def _call(self, request: Request, kind: type[T]) -> T:
        return protocol.read_reply(self._send(request), kind)

    def _send(self, request: Request) -> Reply:
        with self._opened(request) as response:
            return _reply(response)

    @contextlib.contextmanager
    def _opened(self, request: Request) -> Iterator[httpx.Response]:
        """Send, and once more with the server's time when our clock was the reason of a refusal."""
        with self._streamed(request) as response:
            if response.status_code != 401:
                yield response
                return
            reply = _reply(response)
            if not self._learned_time_from(reply):
                raise protocol.refusal(reply)
        with self._streamed(request) as response:
            yield response

    @contextlib.contextmanager
    def _streamed(self, request: Request) -> Iterator[httpx.Response]:
        with (
            _translated(),
            self._http.stream(
                request.method, request.path, content=request.body, headers=self._headers(request)
            ) as response,
        ):
            yield response

    def _learned_time_from(self, reply: Reply) -> bool:
        error = protocol.read_error(reply)
        if error is None or not error.server_time_ms:
            return False
        self.server_time.learn(error.server_time_ms)
        return protocol.is_clock_refusal(reply)

    def _headers(self, request: Request) -> dict[str, str]:
        token = self._credentials.token(
            method=request.method, path=request.path, body=request.body, now_s=self.server_time.now_ms() / 1000
        )
        return {**request.headers, "Authorization": f"Device {token}"}


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError) as exc:
        raise CloudUnreachable(f"{type(exc).__name__}: {exc}") from exc


def _reply(response: httpx.Response) -> Reply:
    body = bytearray()
    for piece in response.iter_bytes(_CHUNK_BYTES):
        body += piece
        if len(body) > REPLY_BYTES_MAX:
            raise CloudUnreachable(f"The reply has more than {REPLY_BYTES_MAX} bytes.")
    return Reply(response.status_code, bytes(body), {name.lower(): value for name, value in response.headers.items()})


def _wall_offset_ms(date: str, wall_ms: int) -> int | None:
    try:
        return wall_ms - int(parsedate_to_datetime(date).timestamp() * 1000)
    except ValueError:
        return None


def _pieces(response: httpx.Response) -> Iterator[bytes]:
    # As they arrive: gathered into larger pieces, a cut link would cost what was gathered.
    return response.iter_raw()


def _skipping(pieces: Iterator[bytes], skip_bytes: int) -> Iterator[bytes]:
    for piece in pieces:
        if skip_bytes < len(piece):
            yield piece[skip_bytes:]
        skip_bytes = max(0, skip_bytes - len(piece))
