"""What is wrong with a series of pictures although each of them is one. Pure."""

import zlib

from edge_agent.values import Pixels

SAMPLE_STEP_PX = 4
"""Every fourth pixel in both directions: a sensor's noise shows there as well, at a sixteenth of the cost."""


class SeriesCheck:
    """Looks at the pictures of one camera in their order."""

    def __init__(self, *, size_px: tuple[int, int] | None, frozen_after: int) -> None:
        """size_px: (width, height), or None for that of the first picture. frozen_after: 0 never."""
        self._size_px = size_px
        self._frozen_after = frozen_after
        self._is_live = False
        self._last_sum: int | None = None
        self._equal_count = 1

    def opened(self, *, is_live: bool) -> None:
        """The source was opened anew. What was frozen may move again; the size stays what it was.

        is_live: equal pictures are a fault, because a sensor's noise never repeats.
        """
        self._is_live = is_live
        self._last_sum = None

    def fault(self, pixels: Pixels) -> str:
        """Why this picture must not be judged; empty when nothing speaks against it."""
        size_px = (pixels.shape[1], pixels.shape[0])
        self._size_px = self._size_px or size_px
        if size_px != self._size_px:
            return f"{_by(size_px)} instead of {_by(self._size_px)}"
        return self._frozen(pixels) if self._is_live and self._frozen_after else ""

    def _frozen(self, pixels: Pixels) -> str:
        checksum = zlib.crc32(pixels[::SAMPLE_STEP_PX, ::SAMPLE_STEP_PX].tobytes())
        self._equal_count = self._equal_count + 1 if checksum == self._last_sum else 1
        self._last_sum = checksum
        return f"frozen: {self._equal_count} equal pictures" if self._equal_count >= self._frozen_after else ""


def _by(size_px: tuple[int, int]) -> str:
    return f"{size_px[0]} x {size_px[1]} px"
