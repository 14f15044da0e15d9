"""Is this a picture of anything? What no model should be asked about."""

import numpy as np
from numpy.typing import NDArray

SIDE_MIN_PX = 16
SIDE_MAX_PX = 8192
CONTRAST_MIN = 4
"""Grey levels between the darkest and the brightest value; a covered or dead sensor shows less."""


class BadImage(ValueError):
    """These pixels cannot be judged; the text says why."""


def require_judgeable(pixels: NDArray[np.generic]) -> None:
    """Raises BadImage unless this is a colour frame of a sane size that shows something."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise BadImage(f"shape {pixels.shape} of {pixels.dtype} instead of (height, width, 3) of uint8")
    height_px, width_px = pixels.shape[:2]
    if min(height_px, width_px) < SIDE_MIN_PX or max(height_px, width_px) > SIDE_MAX_PX:
        raise BadImage(f"{width_px} x {height_px} px is out of range")
    if int(pixels.max()) - int(pixels.min()) < CONTRAST_MIN:
        raise BadImage("the frame is constant")
