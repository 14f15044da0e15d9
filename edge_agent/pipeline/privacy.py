"""What of a picture may leave the line."""

import cv2
import numpy as np

from edge_agent.values import Frame, Pixels
from edge_agent.wire.configuration import Privacy

BLUR_SIDE_PX = 48
"""What is finer than a 48th of the picture is gone for good: a blurred picture is made from no more pixels."""
THUMBNAIL_SIDE_PX = 160
JPEG_QUALITY = 92


def kept_bytes(frame: Frame, privacy: Privacy) -> bytes | None:
    """The image as it may be kept: the camera's own bytes where they exist. None: never."""
    match privacy:
        case Privacy.FULL:
            return frame.encoded or jpeg(frame.pixels)
        case Privacy.BLURRED:
            return jpeg(blurred(frame.pixels))
        case Privacy.THUMBNAILS:
            return jpeg(thumbnail(frame.pixels))
        case Privacy.NEVER:
            return None


def shown_bytes(pixels: Pixels, privacy: Privacy) -> bytes | None:
    """A small JPEG for a page beside the line."""
    if privacy is Privacy.NEVER:
        return None
    small = thumbnail(pixels)
    return jpeg(blurred(small) if privacy is Privacy.BLURRED else small)


def blurred(pixels: Pixels) -> Pixels:
    """Of the same size, without detail. Not a filter that could be undone: the pixels are averaged away."""
    height_px, width_px = pixels.shape[:2]
    coarse = _no_larger(pixels, BLUR_SIDE_PX)
    return np.asarray(cv2.resize(coarse, (width_px, height_px), interpolation=cv2.INTER_CUBIC), np.uint8)


def thumbnail(pixels: Pixels) -> Pixels:
    return _no_larger(pixels, THUMBNAIL_SIDE_PX)


def jpeg(pixels: Pixels) -> bytes:
    is_encoded, encoded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    assert is_encoded, "three channels of bytes always make a JPEG"
    return encoded.tobytes()


def _no_larger(pixels: Pixels, side_px: int) -> Pixels:
    height_px, width_px = pixels.shape[:2]
    scale = side_px / max(height_px, width_px)
    if scale >= 1:
        return pixels
    size_px = (max(1, round(width_px * scale)), max(1, round(height_px * scale)))
    return np.asarray(cv2.resize(pixels, size_px, interpolation=cv2.INTER_AREA), np.uint8)
