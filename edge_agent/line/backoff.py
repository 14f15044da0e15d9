"""When to try again."""

import random
from collections.abc import Callable

from edge_agent.clock import Clock

FIRST_S = 0.5
LONGEST_S = 30.0
STEADY_S = 60.0
"""Who lived for so long has recovered; a failure after that begins anew."""


class Backoff:
    """After each failure twice as long as before, within bounds, and half of it by chance.

    The chance keeps what hangs on one switch from coming back in step.
    """

    def __init__(self, clock: Clock, draw: Callable[[], float] = random.random) -> None:
        self._clock = clock
        self._draw = draw
        self._failure_count = 0
        self._due_s = clock.monotonic_s()
        self._tried_s = self._due_s

    @property
    def is_due(self) -> bool:
        return self._clock.monotonic_s() >= self._due_s

    def tried(self) -> None:
        self._tried_s = self._clock.monotonic_s()

    def succeeded(self) -> None:
        """The next failure begins anew."""
        self._failure_count = 0

    def failed(self) -> float:
        """Returns the seconds until the next try."""
        now_s = self._clock.monotonic_s()
        if now_s - self._tried_s >= STEADY_S:
            self._failure_count = 0
        pause_s = min(LONGEST_S, FIRST_S * (1 << min(self._failure_count, 16))) * (0.5 + 0.5 * self._draw())
        self._failure_count += 1
        self._due_s = now_s + pause_s
        return pause_s
