"""Live pages: one websocket per tab, all its topics on it. Written in bare ASGI: Channels' consumers subscribe every
socket to Redis on its own, which is what the fan-out saves.

Browser to server: `{"watch": ["overview", "device:<id>"]}`, which replaces what was watched before.
Server to browser: `{"topic": "overview"}` when it changed, `{"beat": 5}` every so many seconds while the link to
Redis stands, `{"refused": ["review"]}` for topics without the right.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

from channels.db import database_sync_to_async
from django.conf import settings
from django.http.cookie import parse_cookie

from apps.accounts.selectors import Scope
from apps.dashboard.fanout import Fanout, end_all, fanout
from apps.dashboard.topics import heard_scopes

BEAT_S = 5.0
RECHECK_S = 5.0
"""A person whose right was taken hears nothing more after this and one query's time: the promise is 10 s."""
PUSH_GAP_S = 1.0
"""At most one push per topic in this time."""
TOPICS_MAX = 64
MESSAGE_CHARACTERS_MAX = 16_000
SIGNED_OUT, NOT_UNDERSTOOD = 4401, 4400

Event = dict[str, Any]
Send = Callable[[Event], Awaitable[None]]
Receive = Callable[[], Awaitable[Event]]


class Closed(Exception):
    """The server ends this socket, with a code that the page understands."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Tab:
    """What one tab watches, and which of it changed since it was last told. Bounded by TOPICS_MAX names."""

    def __init__(self) -> None:
        self.watched: frozenset[str] = frozenset()
        self.scopes: dict[str, Scope] = {}
        self.wake = asyncio.Event()
        self._changed: dict[str, None] = {}
        self._told_at: dict[str, float] = {}

    def topic_changed(self, topic: str, site_id: int | None) -> None:
        held = self.scopes.get(topic)
        if held is not None and (site_id is None or held.covers(site_id)):
            self._changed[topic] = None
            self.wake.set()

    def everything_changed(self) -> None:
        self.changed(frozenset(self.scopes))

    def changed(self, topics: frozenset[str]) -> None:
        self._changed.update(dict.fromkeys(topics))
        self.wake.set()

    def take_due(self, now_s: float) -> list[str]:
        """The topics to tell now; those told within PUSH_GAP_S stay for later, and one entry stands for many."""
        due = [topic for topic in self._changed if now_s - self._told_at.get(topic, -PUSH_GAP_S) >= PUSH_GAP_S]
        for topic in due:
            del self._changed[topic]
            self._told_at[topic] = now_s
        return due

    @property
    def has_more(self) -> bool:
        return bool(self._changed)

    def allow(self, scopes: dict[str, Scope]) -> None:
        self.scopes = scopes
        self._changed = {topic: None for topic in self._changed if topic in scopes}
        self._told_at = {topic: at for topic, at in self._told_at.items() if topic in scopes}


class LiveConsumer:
    """One socket from its handshake to its end."""

    def __init__(self, scope: Event, receive: Receive, send: Send) -> None:
        self._session_key = _session_key(scope)
        self._receive, self._send = receive, send
        self._tab = Tab()

    @classmethod
    def as_asgi(cls) -> Callable[[Event, Receive, Send], Awaitable[None]]:
        async def serve(scope: Event, receive: Receive, send: Send) -> None:
            await cls(scope, receive, send).serve()

        return serve

    async def serve(self) -> None:
        """Whatever ends first (the browser, the session, a bad message) ends the socket, and leaves nothing behind."""
        await self._receive()  # the handshake
        await self._send({"type": "websocket.accept"})
        hub = fanout()
        hub.join(self._tab)
        parts = [asyncio.ensure_future(part) for part in (self._listen(), self._tell(), self._beat(hub), self._check())]
        try:
            await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end_all(parts)
            await hub.leave(self._tab)
        await self._close([part.exception() for part in parts if not part.cancelled()])

    async def _close(self, ends: list[BaseException | None]) -> None:
        for end in ends:
            if isinstance(end, Closed):
                await self._send({"type": "websocket.close", "code": end.code})
                return
            if end is not None:
                raise end

    async def _listen(self) -> None:
        while (event := await self._receive())["type"] == "websocket.receive":
            before, self._tab.watched = self._tab.watched, _topics(event.get("text") or "")
            refused = self._tab.watched - (await self._ask_rights()).keys()
            # What changed between the page's making and this moment was told to nobody.
            self._tab.changed(self._tab.watched - before - refused)
            if refused:
                await self._say({"refused": sorted(refused)})

    async def _tell(self) -> None:
        while True:
            await self._tab.wake.wait()
            self._tab.wake.clear()
            for topic in self._tab.take_due(time.monotonic()):
                await self._say({"topic": topic})
            if self._tab.has_more:
                await asyncio.sleep(PUSH_GAP_S / 4)
                self._tab.wake.set()

    async def _beat(self, hub: Fanout) -> None:
        while True:
            # Without Redis nothing would be pushed: the page is not told that all is well, and falls back to polling.
            await hub.up.wait()
            await self._say({"beat": BEAT_S})
            await asyncio.sleep(BEAT_S)

    async def _check(self) -> None:
        while True:
            await self._ask_rights()
            await asyncio.sleep(RECHECK_S)

    async def _ask_rights(self) -> dict[str, Scope]:
        scopes: dict[str, Scope] | None = await database_sync_to_async(heard_scopes)(
            self._session_key, self._tab.watched
        )
        if scopes is None:
            raise Closed(SIGNED_OUT)
        self._tab.allow(scopes)
        return scopes

    async def _say(self, message: Event) -> None:
        await self._send({"type": "websocket.send", "text": json.dumps(message)})


def _session_key(scope: Event) -> str:
    cookies = b";".join(value for name, value in scope["headers"] if name == b"cookie").decode("latin-1")
    return parse_cookie(cookies).get(settings.SESSION_COOKIE_NAME, "")


def _topics(text: str) -> frozenset[str]:
    """Raises Closed for anything but a short list of short names."""
    try:
        named = json.loads(text)["watch"] if len(text) <= MESSAGE_CHARACTERS_MAX else None
    except (ValueError, KeyError, TypeError, RecursionError) as exc:
        raise Closed(NOT_UNDERSTOOD) from exc
    if not isinstance(named, list) or len(named) > TOPICS_MAX or not all(isinstance(one, str) for one in named):
        raise Closed(NOT_UNDERSTOOD)
    return frozenset(named)
