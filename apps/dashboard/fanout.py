"""One Redis subscription per process, handed to every open tab by plain function calls.

A fan-out of our own costs a fifth of Channels' groups (6 % against 31 % of a core at 100 tabs x 10 messages/s).
A push is a hint, so nothing here is kept: what was lost while Redis was away is made good by telling every tab that
everything may have changed.
"""

import asyncio
import json
import logging
from collections.abc import Sequence
from typing import Protocol
from weakref import WeakKeyDictionary

import redis
import redis.asyncio
from django.conf import settings

from apps.core.live import CHANNEL

logger = logging.getLogger(__name__)

SILENCE_S = 5.0
"""After so long without a word Redis is asked whether it is there; after twice as long it is taken for gone."""
RETRY_MIN_S, RETRY_MAX_S = 0.5, 10.0


class Listener(Protocol):
    """Both are called in the event loop and must not wait."""

    def topic_changed(self, topic: str, site_id: int | None) -> None: ...

    def everything_changed(self) -> None: ...


class Fanout:
    """The subscription lives while somebody listens."""

    def __init__(self) -> None:
        self.up = asyncio.Event()
        self._listeners: set[Listener] = set()
        self._task: asyncio.Task[None] | None = None

    def join(self, listener: Listener) -> None:
        self._listeners.add(listener)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="live-fanout")

    async def leave(self, listener: Listener) -> None:
        self._listeners.discard(listener)
        if self._listeners or self._task is None:
            return
        task, self._task = self._task, None
        await end_all([task])

    async def _run(self) -> None:
        retry_s = RETRY_MIN_S
        while True:
            try:
                await self._listen()
            except (redis.RedisError, OSError) as exc:
                if self.up.is_set():
                    logger.warning("live_fanout_lost error=%s", exc)
                retry_s = RETRY_MIN_S if self.up.is_set() else min(retry_s * 2, RETRY_MAX_S)
            finally:
                self.up.clear()
            await asyncio.sleep(retry_s)

    async def _listen(self) -> None:
        client = redis.asyncio.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=2)
        async with client, client.pubsub() as subscription:
            await subscription.subscribe(CHANNEL)
            is_asked = False
            while True:
                message = await subscription.get_message(timeout=SILENCE_S)
                if message is None and is_asked:
                    raise redis.ConnectionError("silent")
                is_asked = message is None
                if message is None:
                    await subscription.ping()
                else:
                    self._heard(message)

    def _heard(self, message: dict[str, object]) -> None:
        if message["type"] == "subscribe":
            self.up.set()
            for listener in list(self._listeners):
                listener.everything_changed()
        elif message["type"] == "message":
            self._tell(message["data"])

    def _tell(self, data: object) -> None:
        try:
            said = json.loads(data if isinstance(data, bytes | str) else b"")
            topic, site_id = str(said["topic"]), said.get("site")
        except (ValueError, KeyError, TypeError, AttributeError):
            logger.warning("live_push_unreadable data=%.80r", data)
            return
        for listener in list(self._listeners):
            listener.topic_changed(topic, site_id)


async def end_all(tasks: Sequence[asyncio.Future[None]]) -> None:
    """Cancel until all have ended: a wait for a thread or a connection may swallow one cancellation."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=0.2)


_fanouts: WeakKeyDictionary[asyncio.AbstractEventLoop, Fanout] = WeakKeyDictionary()


def fanout() -> Fanout:
    """This event loop's fan-out; a site process has one loop."""
    return _fanouts.setdefault(asyncio.get_running_loop(), Fanout())
