"""The controller's side of a line: it triggers, and hears OK, NOK or CANNOT JUDGE for each trigger in any case."""

import logging
import threading
from collections.abc import Callable
from typing import Protocol

from edge_agent.clock import Clock
from edge_agent.line.backoff import Backoff
from edge_agent.line.handshake import CODE_OF_VERDICT, ControllerSays, DeviceSays, Handshake, Phase, ResultCode
from edge_agent.line.outputs import Told

logger = logging.getLogger(__name__)

STOP_LOOK_S = 0.1


class LinkLost(Exception):
    """The controller does not answer; later it may."""


class ControllerLink(Protocol):
    def heard(self) -> ControllerSays:
        """What the controller's registers say now. Raises LinkLost."""
        ...

    def say(self, says: DeviceSays) -> None:
        """Write all of it at once, so that no controller reads half an answer. Raises LinkLost."""
        ...

    def close(self) -> None: ...


class LineSignal:
    """The pace of a triggered line and the output of its verdicts; the link is served by a thread of its own.

    A trigger that the inspection does not answer in time is answered CANNOT JUDGE: a controller never waits for a
    model that hangs. A link that breaks changes no step; the handshake goes on where it stood.
    """

    proves_parts = True

    def __init__(
        self,
        name: str,
        link: ControllerLink,
        *,
        answer_within_s: Callable[[], float],
        poll_s: float,
        report: Callable[[str], None],
        clock: Clock,
    ) -> None:
        """report: hears once per trouble that the link is lost."""
        self.name = f"signal-{name}"
        self._link = link
        self._answer_within_s = answer_within_s
        self._poll_s = poll_s
        self._report = report
        self._clock = clock
        self._backoff = Backoff(clock)
        self._handshake = Handshake()
        self._said: DeviceSays | None = None
        self._changed = threading.Condition()
        self._bell = threading.Event()
        self._asked_count = 0
        self._asked_s = 0.0
        self._taken_count = 0
        self._answer: tuple[int, ResultCode] | None = None
        self.fault = "not connected yet"
        self.late_count = 0
        """Triggers that were answered CANNOT JUDGE because no verdict came in time."""

    # For the inspection loop

    def wait(self, stop: threading.Event) -> bool:
        with self._changed:
            while not stop.is_set():
                if self._asked_count > self._taken_count:
                    self._taken_count = self._asked_count
                    return True
                self._changed.wait(STOP_LOOK_S)
        return False

    def tell(self, told: Told) -> None:
        with self._changed:
            self._answer = (self._taken_count, CODE_OF_VERDICT[told.verdict])
        self._bell.set()

    # The link's own thread

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self._clock.wait(self._bell, self._poll_s)
            self._bell.clear()
            self._backoff.tried()
            try:
                self.exchange()
            except LinkLost as exc:
                self._note_lost(str(exc))
                self._clock.wait(stop, self._backoff.failed())
        self._say_goodbye()

    def exchange(self) -> None:
        """One look at the controller and what follows from it. Raises LinkLost."""
        heard = self._link.heard()
        before = self._handshake
        self._handshake = before.after(heard, self._due_answer())
        if self._said != self._handshake.says:
            self._link.say(self._handshake.says)
            self._said = self._handshake.says
        self._note_back()
        if before.phase is Phase.READY and self._handshake.phase is Phase.INSPECTING:
            self._ask()

    def _ask(self) -> None:
        with self._changed:
            self._asked_count += 1
            self._asked_s = self._clock.monotonic_s()
            self._changed.notify_all()

    def _due_answer(self) -> ResultCode | None:
        if self._handshake.phase is not Phase.INSPECTING:
            return None
        with self._changed:
            answer, self._answer = self._answer, None
        # An answer to an earlier trigger came too late for it, and belongs to no other.
        if answer is not None and answer[0] == self._asked_count:
            return answer[1]
        if self._clock.monotonic_s() - self._asked_s <= self._answer_within_s():
            return None
        self.late_count += 1
        logger.warning("trigger_unanswered signal=%s count=%d", self.name, self._handshake.count)
        return ResultCode.CANNOT_JUDGE

    def _say_goodbye(self) -> None:
        try:
            self._link.say(DeviceSays(count=self._handshake.count))
        except LinkLost as exc:
            logger.debug("signal_goodbye_unheard error=%s", exc)
        self._link.close()

    def _note_lost(self, text: str) -> None:
        # What the controller shows now is unknown; say all of it again.
        self._said = None
        if not self.fault or self.fault == "not connected yet":
            logger.error("signal_lost signal=%s error=%s", self.name, text)
            self._report(f"{self.name}: {text}")
        self.fault = text or "lost"

    def _note_back(self) -> None:
        if self.fault:
            logger.info("signal_connected signal=%s", self.name)
            self._backoff.succeeded()
        self.fault = ""
