"""Keeps the running parts running: a part that fails starts again, one that keeps failing ends the agent."""

import logging
import threading
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from edge_agent.clock import Clock
from edge_agent.watchdog import Watchdog

logger = logging.getLogger(__name__)

RESTARTS_MAX = 5
RESTARTS_WITHIN_S = 300.0
RESTART_PAUSE_S = 0.5
"""Doubles with each restart that still counts against the budget."""
JOIN_S = 10.0
LOOK_S = 1.0


class Part(Protocol):
    @property
    def name(self) -> str: ...

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set, and return soon after. Raising, or returning before, counts as a failure."""
        ...


class Supervisor:
    """Each part in its own thread. Stops them in the order in which they were given."""

    def __init__(self, parts: Sequence[Part], clock: Clock, *, watchdog: Watchdog | None = None) -> None:
        self._parts = parts
        self._clock = clock
        self._watchdog = watchdog or Watchdog()
        self._failed = ""
        self.restart_count = 0

    def run(self, stop: threading.Event) -> bool:
        """Run until `stop` is set, by a signal or by a part that cannot be kept running: then False.

        False means that the process should end and be started anew by whoever started it.
        """
        stops = [threading.Event() for _ in self._parts]
        threads = [
            threading.Thread(target=self._keep_running, args=(part, own, stop), name=part.name, daemon=True)
            for part, own in zip(self._parts, stops, strict=True)
        ]
        for thread in threads:
            thread.start()
        self._watchdog.ready()
        self._watch(threads, stop)
        self._watchdog.ending()
        for thread, own in zip(threads, stops, strict=True):
            own.set()
            thread.join(JOIN_S)
            if thread.is_alive():
                logger.warning("part_does_not_stop part=%s after_s=%.0f", thread.name, JOIN_S)
        return not self._failed

    def _watch(self, threads: Sequence[threading.Thread], stop: threading.Event) -> None:
        """Feed the watchdog until `stop`. A thread that died past its part's restarts ends the agent as well."""
        beat_due_s = self._clock.monotonic_s() + self._watchdog.beat_s
        while not stop.wait(min(LOOK_S, self._watchdog.beat_s)):
            dead = next((thread.name for thread in threads if not thread.is_alive()), "")
            if dead and not stop.is_set():
                # Where no service manager waits for beats, silence alone would leave a wedge.
                logger.critical("part_thread_died part=%s", dead)
                self._failed = dead
                stop.set()
            elif self._clock.monotonic_s() >= beat_due_s:
                beat_due_s = self._clock.monotonic_s() + self._watchdog.beat_s
                self._watchdog.alive()

    def _keep_running(self, part: Part, own: threading.Event, stop_all: threading.Event) -> None:
        restarts_s: deque[float] = deque(maxlen=RESTARTS_MAX)
        while not own.is_set():
            self._run_once(part, own)
            if own.is_set():
                return
            now_s = self._clock.monotonic_s()
            if len(restarts_s) == RESTARTS_MAX and now_s - restarts_s[0] < RESTARTS_WITHIN_S:
                logger.critical("part_given_up part=%s restarts=%d", part.name, RESTARTS_MAX)
                self._failed = part.name
                stop_all.set()
                return
            restarts_s.append(now_s)
            self.restart_count += 1
            self._clock.wait(own, RESTART_PAUSE_S * 2 ** len(restarts_s))

    def _run_once(self, part: Part, own: threading.Event) -> None:
        try:
            part.run(own)
        except Exception:
            # Parts are strangers to each other: the fault of one must not take the line down.
            logger.exception("part_failed part=%s", part.name)
        else:
            if not own.is_set():
                logger.error("part_returned part=%s", part.name)
