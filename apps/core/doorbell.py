"""After-commit rings. A ring is a hint: it carries an id, may be lost, and never delays the code that rings.

Services call `ring(event)`; `hybridai.wiring` says who listens. One daemon thread per process answers, so that a
dead broker costs the writer nothing. The queue is bounded and coalesces equal events.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

from django.db import transaction

logger = logging.getLogger(__name__)

QUEUE_MAX = 10_000

Event = TypeVar("Event")
Listener = Callable[[Any], None]


class Doorbell:
    def __init__(self) -> None:
        self._listeners: dict[type, list[Listener]] = {}
        self._queue: OrderedDict[Any, None] = OrderedDict()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._busy = False

    def connect(self, event_type: type[Event], listener: Callable[[Event], None]) -> None:
        listeners = self._listeners.setdefault(event_type, [])
        if listener not in listeners:
            listeners.append(listener)

    def put(self, event: object) -> None:
        """Queue one event. Equal events that wait become one; when full, the oldest goes: rows are the truth."""
        if type(event) not in self._listeners:
            return
        with self._changed:
            self._queue[event] = None
            if len(self._queue) > QUEUE_MAX:
                self._queue.popitem(last=False)
            self._start()
            self._changed.notify()

    def drain(self, timeout_s: float = 10.0) -> bool:
        """Wait until every queued event was answered. For tests and for an orderly stop."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._queue and not self._busy, timeout_s)

    def _start(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="doorbell", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: bool(self._queue))
                event, _ = self._queue.popitem(last=False)
                self._busy = True
            self._answer(event)

    def _answer(self, event: object) -> None:
        for listener in self._listeners[type(event)]:
            try:
                listener(event)
            except Exception as exc:  # noqa: BLE001  the story ends here: a lost ring is allowed, a dead bell is not
                logger.warning("ring_lost event=%s error=%s", type(event).__name__, exc)


doorbell = Doorbell()


def ring(event: object) -> None:
    """Ring once the surrounding transaction has committed; never when it rolls back."""
    transaction.on_commit(lambda: doorbell.put(event))
