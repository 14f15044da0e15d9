"""When the next part stands there."""

import threading
from collections.abc import Callable
from typing import Protocol

from edge_agent.clock import Clock


class Pace(Protocol):
    @property
    def proves_parts(self) -> bool:
        """Something has seen each part, so each one gets a verdict even when the camera is away."""
        ...

    def wait(self, stop: threading.Event) -> bool:
        """Return when the next part stands there; False when `stop` is set."""
        ...


class TaktPace:
    """A beat. Missed beats are missed: the parts have passed, and a burst would only be late again."""

    proves_parts = False

    def __init__(self, clock: Clock, takt_s: Callable[[], float]) -> None:
        """takt_s: asked at each beat, so that a pushed takt holds at once."""
        self._clock = clock
        self._takt_s = takt_s
        self._next_s: float | None = None

    def wait(self, stop: threading.Event) -> bool:
        now_s = self._clock.monotonic_s()
        if self._next_s is None:
            self._next_s = now_s
            return not stop.is_set()
        self._next_s = max(self._next_s + self._takt_s(), now_s)
        return not self._clock.wait(stop, self._next_s - now_s)
