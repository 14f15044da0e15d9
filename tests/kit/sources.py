"""Picture sources for tests: seeded noise from a camera that fails as it is told to."""

import threading

import numpy as np

from edge_agent.line.camera import BadPicture, Shot, SourceLost


class FakeSource:
    """A live camera of 48 x 32 px. Faults are switched on by the test and hold until they are switched off."""

    is_live = True

    def __init__(self, seed=1, *, is_streaming=False):
        self.is_streaming = is_streaming
        self.is_unplugged = False
        self.is_hanging = False
        self.is_frozen = False
        self.is_garbage = False
        self.is_raising = False
        self.size_px = (48, 32)
        self.opened_count = 0
        self.closed_count = 0
        self.let_go = threading.Event()
        self._rng = np.random.default_rng(seed)
        self._pixels = None

    def open(self):
        self.opened_count += 1
        if self.is_unplugged:
            raise SourceLost("no such device")

    def read(self):
        if self.is_streaming:
            threading.Event().wait(0.005)
        if self.is_hanging:
            self.let_go.wait(30)
        if self.is_unplugged:
            raise SourceLost("the cable is pulled")
        if self.is_raising:
            raise RuntimeError("the driver fell over")
        if self.is_garbage:
            raise BadPicture("half a JPEG")
        if not self.is_frozen or self._pixels is None:
            width_px, height_px = self.size_px
            self._pixels = self._rng.integers(0, 255, (height_px, width_px, 3), dtype=np.uint8)
        return Shot(self._pixels)

    def close(self):
        self.closed_count += 1
