"""Is this a picture of anything? What no model should be asked about."""

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.values import Pixels

SIDE_MIN_PX = 16
SIDE_MAX_PX = 8192
CONTRAST_MIN = 4
"""Grey levels between the darkest and the brightest value; a covered or dead sensor shows less."""


class BadImage(ValueError):
    """These bytes or pixels cannot be judged; the text says why."""


def decoded(encoded: bytes) -> Pixels:
    """(H, W, 3) uint8 BGR. Raises BadImage when the bytes are no image that OpenCV reads."""
    if not encoded:
        raise BadImage("empty")
    try:
        pixels = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as exc:
        raise BadImage("not decodable") from exc
    if pixels is None:
        raise BadImage("not decodable")
    return np.asarray(pixels, dtype=np.uint8)


def require_judgeable(pixels: NDArray[np.generic]) -> None:
    """Raises BadImage unless this is a colour frame of a sane size that shows something."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise BadImage(f"shape {pixels.shape} of {pixels.dtype} instead of (height, width, 3) of uint8")
    height_px, width_px = pixels.shape[:2]
    if min(height_px, width_px) < SIDE_MIN_PX or max(height_px, width_px) > SIDE_MAX_PX:
        raise BadImage(f"{width_px} x {height_px} px is out of range")
    if int(pixels.max()) - int(pixels.min()) < CONTRAST_MIN:
        raise BadImage("the frame is constant")
