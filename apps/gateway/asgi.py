"""The machines' entrance as a bare ASGI application: one table of routes, one way of refusing."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import msgspec
from django.utils import timezone

from apps.core.errors import ProductError, Unavailable, Wrong
from apps.defects.selectors import images_wanted
from apps.devices.selectors import DeviceKey, device_key
from apps.gateway import artifacts, images
from apps.gateway.auth import Gate, Signed
from apps.gateway.database import Database
from apps.gateway.desired import check_in
from apps.gateway.enrolment import enrol
from apps.gateway.errors import Busy, ClientGone, Refused
from apps.gateway.http import (
    BODY_TIMEOUT_S,
    Body,
    Head,
    Receive,
    Reply,
    Scope,
    Send,
    decompressed,
    error_reply,
    head_of,
    message_reply,
    send_reply,
    server_time_ms,
)
from apps.gateway.ingest import SyncJob
from apps.gateway.writer import Writer
from apps.telemetry.services import BatchOutcome, Reception, read_batch
from edge_agent.wire import paths
from edge_agent.wire.codec import WireError, decode
from edge_agent.wire.messages import BODY_BYTES_MAX, CheckinRequest, EnrolRequest, StreamAck, SyncReply, SyncRequest

logger = logging.getLogger(__name__)
T = TypeVar("T", bound=msgspec.Struct)

SMALL_BODY_BYTES_MAX = 64 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    body_timeout_s: float = BODY_TIMEOUT_S
    store_timeout_s: float = 10.0
    request_count_max: int = 1_000
    """Requests in hand at once, and so the bodies held in memory: 4 GB if every device sent its largest."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request whose sender is proved and whose body is whole. subject: whom the token named."""

    head: Head
    device: DeviceKey | None
    body: bytes
    subject: str = ""

    @property
    def device_id(self) -> str:
        assert self.device is not None
        return self.device.id


@dataclass(frozen=True, slots=True)
class Route:
    """prefix: what the path begins with, or all of it when it does not end in a slash."""

    methods: tuple[str, ...]
    prefix: str
    answer: Callable[["Gateway", Call], Awaitable[Reply]]
    body_bytes_max: int = 0
    is_signed_by_key: bool = False
    is_open: bool = False

    def matches(self, path: str) -> bool:
        return path.startswith(self.prefix) if self.prefix.endswith("/") else path == self.prefix


class Gateway:
    """Starts with the server's lifespan and lives in one event loop."""

    def __init__(self, limits: Limits) -> None:
        self.database = Database()
        self.writer = Writer()
        self.limits = limits
        self.gate = Gate(self._device_key)
        self._request_count = 0

    def start(self) -> None:
        self.writer.start()

    def stop(self) -> None:
        """Finish what was taken, then let go of the database."""
        self.writer.stop()
        self.database.close()

    async def reply(self, head: Head, receive: Receive) -> Reply:
        """The answer, whatever comes. Raises ClientGone alone."""
        body = Body(head, receive, timeout_s=self.limits.body_timeout_s)
        self._request_count += 1
        try:
            return await self._reply(head, body)
        except ProductError as exc:
            await body.drain()
            return error_reply(exc)
        except ClientGone:
            raise
        except Exception:
            logger.exception("request_failed method=%s path=%s", head.method, head.path[:200])
            return error_reply(ProductError("Something went wrong on this side.", code="internal_error"))
        finally:
            self._request_count -= 1

    async def _reply(self, head: Head, body: Body) -> Reply:
        route = _route_of(head)
        if self._request_count > self.limits.request_count_max:
            raise Busy("Too many requests at once.", retry_after_s=5.0)
        if route.is_open:
            return await route.answer(self, Call(head, None, b""))
        signed = await self._signed(route, head)
        content = await body.read(limit_bytes=route.body_bytes_max)
        self.gate.seal(signed, content)
        return await route.answer(self, Call(head, signed.device, content, signed.claims.sub))

    async def _signed(self, route: Route, head: Head) -> Signed:
        return await (self.gate.newcomer(head) if route.is_signed_by_key else self.gate.device(head))

    async def _device_key(self, device_id: str) -> DeviceKey | None:
        return await self.database.run(lambda: device_key(device_id=device_id))


async def _healthz(gateway: Gateway, _call: Call) -> Reply:
    if not gateway.writer.is_alive:
        raise Unavailable("The writer has ended.", code="writer_ended")
    return Reply(body=b"ok", headers={"Content-Type": "text/plain"})


async def _enrol(gateway: Gateway, call: Call) -> Reply:
    request = _message(call, EnrolRequest, limit_bytes=SMALL_BODY_BYTES_MAX)
    if request.public_key != call.subject:
        raise Refused(401, "token_invalid", "The request was signed with another key than it enrols.")
    reply = await gateway.database.run(lambda: enrol(request, now=timezone.now()))
    gateway.gate.forget(reply.device_id)
    return message_reply(reply)


async def _check_in(gateway: Gateway, call: Call) -> Reply:
    request = _message(call, CheckinRequest, limit_bytes=SMALL_BODY_BYTES_MAX)
    load_ratio = gateway.writer.load_ratio
    state = await gateway.database.run(
        lambda: check_in(call.device_id, request, load_ratio=load_ratio, now=timezone.now())
    )
    return message_reply(state)


async def _sync(gateway: Gateway, call: Call) -> Reply:
    request = _message(call, SyncRequest, limit_bytes=BODY_BYTES_MAX)
    batches = tuple(read_batch(call.device_id, batch) for batch in request.batches)
    outcomes = await _stored(gateway, SyncJob(call.device_id, batches))
    _require_sound(outcomes)
    wanted = await gateway.database.run(lambda: images_wanted(call.device_id))
    acks = {one.stream: StreamAck(stream=one.stream, watermark=one.watermark) for one in outcomes}
    return message_reply(SyncReply(acks=list(acks.values()), images_wanted=wanted, server_time_ms=server_time_ms()))


async def _stored(gateway: Gateway, job: SyncJob) -> list[BatchOutcome]:
    future = gateway.writer.submit(job)
    try:
        return await asyncio.wait_for(asyncio.wrap_future(future), gateway.limits.store_timeout_s)
    except TimeoutError as exc:
        raise Unavailable("Storing takes too long.", code="database_slow", retry_after_s=5.0) from exc


def _require_sound(outcomes: list[BatchOutcome]) -> None:
    receptions = {one.reception for one in outcomes}
    if Reception.MISMATCH in receptions:
        text = "The journal contradicts what it sent before; this device is quarantined."
        raise Refused(409, "digest_mismatch", text)
    if Reception.FOREIGN in receptions:
        raise Refused(403, "stream_foreign", "This stream is another device's, or of another kind.")


async def _image_offset(gateway: Gateway, call: Call) -> Reply:
    sha256 = call.head.path.removeprefix(paths.IMAGES)
    return await gateway.database.run(lambda: images.offset_reply(call.device_id, sha256))


async def _image_piece(gateway: Gateway, call: Call) -> Reply:
    sha256 = call.head.path.removeprefix(paths.IMAGES)
    return await gateway.database.run(
        lambda: images.piece_store(call.device_id, sha256, call.head, call.body, now=timezone.now())
    )


async def _artifact(_gateway: Gateway, call: Call) -> Reply:
    return await artifacts.file_reply(call.head)


ROUTES = (
    Route(("POST",), paths.SYNC, _sync, body_bytes_max=BODY_BYTES_MAX),
    Route(("POST",), paths.CHECKIN, _check_in, body_bytes_max=SMALL_BODY_BYTES_MAX),
    Route(("POST",), paths.ENROL, _enrol, body_bytes_max=SMALL_BODY_BYTES_MAX, is_signed_by_key=True),
    Route(("HEAD",), paths.IMAGES, _image_offset),
    Route(("PATCH",), paths.IMAGES, _image_piece, body_bytes_max=BODY_BYTES_MAX),
    Route(("GET", "HEAD"), paths.TUF_METADATA, _artifact),
    Route(("GET", "HEAD"), paths.TUF_TARGETS, _artifact),
    Route(("GET", "HEAD"), paths.HEALTHZ, _healthz, is_open=True),
)


def _route_of(head: Head) -> Route:
    there = [route for route in ROUTES if route.matches(head.path)]
    if not there:
        raise Refused(404, "not_found", "There is nothing at this path.")
    for route in there:
        if head.method in route.methods:
            return route
    allowed = ", ".join(method for route in there for method in route.methods)
    raise Refused(405, "method_not_allowed", f"Only {allowed} here.", headers={"Allow": allowed})


def _message(call: Call, kind: type[T], *, limit_bytes: int) -> T:
    encoding = call.head.headers.get("content-encoding", "")
    content = decompressed(call.body, encoding, limit_bytes=limit_bytes)
    try:
        return decode(content, kind)
    except WireError as exc:
        raise Wrong(f"This is no {kind.__name__}: {exc}", code="bad_message") from exc


class Application:
    """What the server calls. Makes the gateway when the server starts, so that importing starts no thread."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self.gateway: Gateway | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)
        else:
            # A websocket: there is none here.
            await send({"type": "websocket.close"})

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        self.gateway = Gateway(self._limits)
        self.gateway.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await asyncio.to_thread(self.gateway.stop)
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.gateway is not None, "the server runs without lifespan"
        head = head_of(scope)
        try:
            reply = await self.gateway.reply(head, receive)
            await send_reply(send, reply, is_head=head.method == "HEAD")
        except (ClientGone, TimeoutError):
            logger.debug("client_gone path=%s", head.path[:200])


app = Application()
