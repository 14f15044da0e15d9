"""HTTP as the gateway needs it: bounded bodies in, one reply out."""

import asyncio
import contextlib
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec
import zstandard

from apps.core.errors import ProductError, Unavailable
from apps.gateway.errors import ClientGone, Refused
from edge_agent.wire.codec import encode
from edge_agent.wire.messages import ErrorReply

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MSGPACK = "application/msgpack"
BODY_TIMEOUT_S = 20.0
"""The longest that a body may take; a slow one would hold its buffer for as long as it likes."""
SEND_TIMEOUT_S = 60.0
DRAIN_BYTES_MAX = 8 * 1024 * 1024
DRAIN_TIMEOUT_S = 5.0
_ZSTD_WINDOW_BYTES_MAX = 8 * 1024 * 1024
_GZIP = 16 + zlib.MAX_WBITS


@dataclass(frozen=True, slots=True)
class Head:
    """A request without its body. target: path and query as sent; headers: names in lower case."""

    method: str
    path: str
    target: str
    headers: Mapping[str, str]


class Stream(Protocol):
    """A body in pieces. `close` is called in any case, also when no piece was asked for."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Reply:
    """stream: sent instead of `body`."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    stream: Stream | None = None


def server_time_ms() -> int:
    return time.time_ns() // 1_000_000


def head_of(scope: Scope) -> Head:
    raw_path = scope.get("raw_path") or scope["path"].encode()
    query = scope.get("query_string") or b""
    target = raw_path + (b"?" + query if query else b"")
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    return Head(scope["method"], scope["path"], target.decode("latin-1"), headers)


def message_reply(message: msgspec.Struct) -> Reply:
    return Reply(body=encode(message), headers={"Content-Type": MSGPACK})


def error_reply(error: ProductError) -> Reply:
    """The one shape of every refusal, with the server's time, which a device with a wrong clock needs."""
    retry_after_s = error.retry_after_s if isinstance(error, Unavailable) else None
    headers = {"Content-Type": MSGPACK} | (error.headers if isinstance(error, Refused) else {})
    if retry_after_s is not None:
        headers["Retry-After"] = str(max(1, round(retry_after_s)))
    body = ErrorReply(
        error=error.text,
        code=error.code,
        fields=error.fields,
        retry_after_s=retry_after_s,
        server_time_ms=server_time_ms(),
    )
    return Reply(error.status, encode(body), headers)


class Body:
    """A request's body, read once: whole and bounded, or drained."""

    def __init__(self, head: Head, receive: Receive, *, timeout_s: float = BODY_TIMEOUT_S) -> None:
        self._head = head
        self._receive = receive
        self._timeout_s = timeout_s
        self._is_more = True

    async def read(self, *, limit_bytes: int) -> bytes:
        """The body as sent. Raises Refused when it is too large, before reading where its length says so."""
        declared = self._head.headers.get("content-length", "0")
        if not declared.isdigit() or int(declared) > limit_bytes:
            raise too_large(limit_bytes)
        body = bytearray()
        try:
            async with asyncio.timeout(self._timeout_s):
                async for piece in self._pieces():
                    body += piece
                    if len(body) > limit_bytes:
                        raise too_large(limit_bytes)
        except TimeoutError as exc:
            raise Refused(408, "body_too_slow", f"The body took longer than {self._timeout_s:g} s.") from exc
        return bytes(body)

    async def drain(self) -> None:
        """Read what a refused client still sends, keeping nothing: it hears the reply only when it has sent all."""
        left_bytes = DRAIN_BYTES_MAX
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(self._timeout_s, DRAIN_TIMEOUT_S)):
                async for piece in self._pieces():
                    left_bytes -= len(piece)
                    if left_bytes < 0:
                        return

    async def _pieces(self) -> AsyncIterator[bytes]:
        while self._is_more:
            event = await self._receive()
            if event["type"] == "http.disconnect":
                raise ClientGone
            self._is_more = event.get("more_body", False)
            yield event.get("body", b"")


def decompressed(body: bytes, encoding: str, *, limit_bytes: int) -> bytes:
    """The body's own bytes; never makes more than `limit_bytes` and one of them."""
    if encoding in ("", "identity"):
        return body
    if encoding not in ("zstd", "gzip"):
        raise Refused(415, "unknown_encoding", "A body comes plain, zstd or gzip.")
    try:
        content = _unzstd(body, limit_bytes) if encoding == "zstd" else _gunzip(body, limit_bytes)
    except (zstandard.ZstdError, zlib.error, EOFError) as exc:
        raise Refused(400, "bad_encoding", f"The body is not {encoding}: {exc}") from exc
    if len(content) > limit_bytes:
        raise too_large(limit_bytes)
    return content


def _unzstd(body: bytes, limit_bytes: int) -> bytes:
    decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES_MAX)
    with decompressor.stream_reader(body) as reader:
        return reader.read(limit_bytes + 1)


def _gunzip(body: bytes, limit_bytes: int) -> bytes:
    stream = zlib.decompressobj(_GZIP)
    content = stream.decompress(body, limit_bytes + 1)
    if not stream.eof and len(content) <= limit_bytes:
        raise EOFError("it ends too early")
    return content


def too_large(limit_bytes: int) -> Refused:
    return Refused(413, "body_too_large", f"A body has at most {limit_bytes} bytes here.")


async def send_reply(send: Send, reply: Reply, *, is_head: bool) -> None:
    try:
        await _send(send, reply, is_head=is_head)
    finally:
        if reply.stream is not None:
            reply.stream.close()


async def _send(send: Send, reply: Reply, *, is_head: bool) -> None:
    headers = {"Server-Time-Ms": str(server_time_ms()), "X-Content-Type-Options": "nosniff"} | reply.headers
    if reply.stream is None and reply.status != 204:
        headers.setdefault("Content-Length", str(len(reply.body)))
    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": raw})
    if reply.stream is not None and not is_head:
        await _send_pieces(send, reply.stream)
    await send({"type": "http.response.body", "body": b"" if is_head else reply.body})


async def _send_pieces(send: Send, stream: Stream) -> None:
    async for piece in stream:
        # A client that stops reading must not keep the file open for ever.
        async with asyncio.timeout(SEND_TIMEOUT_S):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
