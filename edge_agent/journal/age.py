"""How old things in the journal are, by a clock that no wrong wall clock can turn."""

from edge_agent.clock import Clock


class Age:
    """Milliseconds that the journal was open, carried on from the newest stamp that it holds.

    Only differences mean anything. While the device is off no time passes, so what must be kept a day is kept longer.
    """

    def __init__(self, clock: Clock, newest_ms: int) -> None:
        self._clock = clock
        self._newest_ms = newest_ms
        self._opened_s = clock.monotonic_s()

    def now_ms(self) -> int:
        return self._newest_ms + int((self._clock.monotonic_s() - self._opened_s) * 1000)
