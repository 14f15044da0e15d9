"""Time as a seam: tests turn it by hand, and no code of ours sleeps."""

import threading
import time
from typing import Protocol


class Clock(Protocol):
    def monotonic_s(self) -> float:
        """For durations; never goes back."""
        ...

    def wall_ms(self) -> int:
        """For stamps only, milliseconds since 1970; may be wrong by years."""
        ...

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Wait until the event is set. False when the time passed first."""
        ...


class SystemClock:
    def monotonic_s(self) -> float:
        return time.monotonic()

    def wall_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        return event.wait(timeout_s)
