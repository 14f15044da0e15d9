"""The device protocol without a network: requests out, replies in. `cloud.py` is its shell over HTTP."""

from dataclasses import dataclass, field
from typing import TypeVar

import msgspec
import zstandard

from edge_agent.wire import paths
from edge_agent.wire.codec import WireError, decode, encode
from edge_agent.wire.messages import CheckinRequest, EnrolRequest, ErrorReply, SyncRequest

T = TypeVar("T", bound=msgspec.Struct)

CONTENT_TYPE = "application/msgpack"
_COMPRESS_FROM_BYTES = 256
_ZSTD_LEVEL = 3
_CLOCK_CODES = frozenset({"token_expired", "token_not_yet_valid"})
_TRY_LATER_STATUSES = frozenset({408, 425, 429})
_RETRY_AFTER_MAX_S = 3600.0


class CloudError(Exception):
    """The cloud did not take the request."""


class CloudUnreachable(CloudError):
    """Not now. Nothing was lost; try later, not before `retry_after_s` when it is given."""

    def __init__(self, text: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


class CloudRefused(CloudError):
    """Never: the same request will be refused again. `code` is stable, `text` is for people."""

    def __init__(self, code: str, text: str = "") -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text


@dataclass(frozen=True, slots=True)
class Request:
    """path: with query. body: as it is sent, compressed or not; what the token's `bh` is made from."""

    method: str
    path: str
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reply:
    """headers: names in lower case."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def is_ok(self) -> bool:
        return 200 <= self.status < 300


def enrol_request(message: EnrolRequest) -> Request:
    return _post(paths.ENROL, message)


def sync_request(message: SyncRequest) -> Request:
    return _post(paths.SYNC, message)


def checkin_request(message: CheckinRequest) -> Request:
    return _post(paths.CHECKIN, message)


def image_offset_request(sha256: str) -> Request:
    return Request("HEAD", paths.IMAGES + sha256)


def image_send_request(sha256: str, *, offset: int, content: bytes, size_bytes: int) -> Request:
    headers = {"Upload-Offset": str(offset), "Upload-Length": str(size_bytes)}
    return Request("PATCH", paths.IMAGES + sha256, content, {**headers, "Content-Type": "application/octet-stream"})


def fetch_request(path: str, *, first_byte: int) -> Request:
    """A file, from `first_byte` on. Never compressed on the way: offsets must mean the file's own bytes."""
    headers = {"Accept-Encoding": "identity"}
    if first_byte:
        headers["Range"] = f"bytes={first_byte}-"
    return Request("GET", path, b"", headers)


def read_reply(reply: Reply, kind: type[T]) -> T:
    """The reply's message. Raises CloudUnreachable or CloudRefused."""
    if not reply.is_ok:
        raise refusal(reply)
    try:
        return decode(reply.body, kind)
    except WireError as exc:
        # A captive portal answers 200 with a page; it may be gone tomorrow.
        raise CloudUnreachable(f"The reply is no {kind.__name__}: {exc}") from exc


def read_offset(reply: Reply) -> int:
    """How many bytes of an image the cloud has. A 409 tells the right offset too. Raises CloudError."""
    if not reply.is_ok and reply.status != 409:
        raise CloudRefused("image_not_wanted") if reply.status == 404 else refusal(reply)
    try:
        return int(reply.headers["upload-offset"])
    except (KeyError, ValueError) as exc:
        raise refusal(reply) if reply.status == 409 else CloudUnreachable("The reply names no offset.") from exc


def read_error(reply: Reply) -> ErrorReply | None:
    """None when the body is no refusal of ours: some proxy between us and the cloud answered."""
    try:
        return decode(reply.body, ErrorReply)
    except WireError:
        return None


def refusal(reply: Reply) -> CloudError:
    """What a reply without success means: later, or never."""
    error = read_error(reply)
    text = error.error if error else f"HTTP {reply.status}"
    if reply.status >= 500 or reply.status in _TRY_LATER_STATUSES or reply.status < 400:
        return CloudUnreachable(text, retry_after_s=_retry_after_s(reply, error))
    if reply.status == 404 and error is None:
        return CloudRefused("not_found", text)
    if reply.status in (413, 416) and error is None:
        return CloudRefused("body_too_large" if reply.status == 413 else "range_not_satisfiable", text)
    if error is None:
        return CloudUnreachable(f"{text} from something that is not the cloud")
    return CloudRefused(error.code, error.error)


def is_clock_refusal(reply: Reply) -> bool:
    """True when the token's times were wrong: signing again with the server's time may help, once."""
    error = read_error(reply) if reply.status == 401 else None
    return error is not None and error.code in _CLOCK_CODES


def _post(path: str, message: msgspec.Struct) -> Request:
    body = encode(message)
    headers = {"Content-Type": CONTENT_TYPE, "Accept": CONTENT_TYPE}
    if len(body) >= _COMPRESS_FROM_BYTES:
        body = zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(body)
        headers["Content-Encoding"] = "zstd"
    return Request("POST", path, body, headers)


def _retry_after_s(reply: Reply, error: ErrorReply | None) -> float | None:
    if error is not None and error.retry_after_s is not None:
        wished_s = error.retry_after_s
    else:
        text = reply.headers.get("retry-after", "")
        if not text.isdigit():
            return None
        wished_s = float(text)
    return min(max(wished_s, 0.0), _RETRY_AFTER_MAX_S)
