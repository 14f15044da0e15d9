"""A clock turned by hand."""

import threading


class HandClock:
    """Waiting costs no time: the clock jumps to the end of the wait, unless the event is set."""

    def __init__(self, wall_ms: int = 1_700_000_000_000) -> None:
        self.now_s = 1000.0
        self.wall_offset_ms = wall_ms - 1_000_000
        self.waited_s: list[float] = []

    def monotonic_s(self) -> float:
        return self.now_s

    def wall_ms(self) -> int:
        return self.wall_offset_ms + int(self.now_s * 1000)

    def turn(self, seconds: float) -> None:
        self.now_s += seconds

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        self.waited_s.append(timeout_s)
        if not event.is_set():
            self.now_s += timeout_s
        return event.is_set()
