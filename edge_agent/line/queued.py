"""An output with a queue of its own: whoever listens, the line's verdict waits for none of them."""

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol

import msgspec

from edge_agent.clock import Clock
from edge_agent.line.backoff import Backoff
from edge_agent.line.outputs import Told

logger = logging.getLogger(__name__)

LOOK_S = 0.5


class SendFailed(Exception):
    """Not now; the same message is tried again."""


class SendRefused(Exception):
    """Never; this message is given up, and counted as dropped."""


class Sender(Protocol):
    def send(self, body: bytes) -> None:
        """Returns when the other side has it. May take seconds. Raises SendFailed or SendRefused."""
        ...

    def close(self) -> None: ...


class QueuedOutput:
    """Verdicts in their order as JSON, each at least once, unless so many wait that the oldest must give way.

    The journal has them all; what is lost here is only the telling, and it is counted and reported.
    """

    def __init__(
        self, name: str, sender: Sender, *, queue_length: int, report: Callable[[str], None], clock: Clock
    ) -> None:
        """report: hears once per trouble that messages were dropped, on this output's own thread."""
        self.name = f"output-{name}"
        self._sender = sender
        self._report = report
        self._clock = clock
        self._backoff = Backoff(clock)
        self._waiting: deque[Told] = deque(maxlen=queue_length)
        self._bell = threading.Event()
        self._is_reported = False
        self._told_count = 0
        """Of the drops, those of troubles that are over."""
        self._trouble = ""
        self.dropped_count = 0
        """Since the start."""

    @property
    def waiting_count(self) -> int:
        return len(self._waiting)

    def tell(self, told: Told) -> None:
        if len(self._waiting) == self._waiting.maxlen:
            # The newest is worth the most to whoever looks on.
            self.dropped_count += 1
        self._waiting.append(told)
        self._bell.set()

    def run(self, stop: threading.Event) -> None:
        try:
            while not stop.is_set():
                self._clock.wait(self._bell, LOOK_S)
                self._bell.clear()
                self._send_waiting(stop)
        finally:
            self._sender.close()

    def _send_waiting(self, stop: threading.Event) -> None:
        while self._waiting and not stop.is_set():
            told = self._waiting[0]
            self._backoff.tried()
            try:
                self._sender.send(msgspec.json.encode(told))
            except SendFailed as exc:
                self._note(str(exc))
                self._clock.wait(stop, self._backoff.failed())
                continue
            except SendRefused as exc:
                self.dropped_count += 1
                self._note(str(exc))
            else:
                self._note_back()
            self._forget(told)

    def _forget(self, told: Told) -> None:
        # The line may have pushed it out meanwhile; then another one is first.
        if self._waiting and self._waiting[0] is told:
            self._waiting.popleft()

    def _note(self, text: str) -> None:
        if not self._trouble:
            logger.warning("output_trouble output=%s error=%s", self.name, text)
        self._trouble = text or "failed"
        if self.dropped_count > self._told_count and not self._is_reported:
            self._is_reported = True
            self._report(f"{self.name}: messages are dropped: {text}")

    def _note_back(self) -> None:
        if self._trouble:
            logger.info("output_back output=%s dropped_in_all=%d", self.name, self.dropped_count)
            self._backoff.succeeded()
        self._trouble, self._is_reported, self._told_count = "", False, self.dropped_count
