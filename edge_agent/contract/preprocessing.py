"""From image bytes to the model's input, computed identically where models are trained and where they run."""

import struct

import cv2
import numpy as np

from edge_agent.values import Pixels, Tensor
from edge_agent.wire.manifest import ColourOrder, Layout, PreprocessingSpec, ResizeKernel, ResizeMode

IMAGE_BYTES_MAX = 20 * 1024 * 1024
IMAGE_PIXELS_MAX = 40_000_000
"""Decoded this is 120 MB; a larger picture is refused by its header, before memory is spent on it."""

_KERNELS = {
    ResizeKernel.NEAREST: cv2.INTER_NEAREST,
    ResizeKernel.LINEAR: cv2.INTER_LINEAR,
    ResizeKernel.AREA: cv2.INTER_AREA,
    ResizeKernel.CUBIC: cv2.INTER_CUBIC,
}
_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_JPEG_MAGIC = b"\xff\xd8\xff"
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Start-of-frame markers, which carry the picture's size (ITU T.81, table B.1)."""
_TAIL_BYTES = 1024
"""Where the end mark is looked for: cameras pad a file, but not by more than this."""


class NotAnImage(Exception):
    """These bytes are no picture that may be judged: not PNG, JPEG or BMP, cut short, or too large."""


def decode(image_bytes: bytes) -> Pixels:
    """Read PNG, JPEG or BMP bytes, turned upright as their EXIF says: what people see is what the model sees.

    Returns (H, W, 3) uint8, BGR. Raises NotAnImage, for a cut-off file too: half a picture must not be judged.
    """
    if len(image_bytes) > IMAGE_BYTES_MAX:
        raise NotAnImage(f"The file has {len(image_bytes)} bytes; at most {IMAGE_BYTES_MAX} are allowed.")
    height_px, width_px = size_from_header(image_bytes)
    if height_px * width_px > IMAGE_PIXELS_MAX:
        raise NotAnImage(f"{width_px} x {height_px} pixels; at most {IMAGE_PIXELS_MAX} in all are allowed.")
    try:
        pixels = cv2.imdecode(np.frombuffer(image_bytes, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as exc:
        raise NotAnImage("The picture's content is damaged.") from exc
    if pixels is None:
        raise NotAnImage("The picture's content is damaged.")
    return np.asarray(pixels, np.uint8)


def size_from_header(image_bytes: bytes) -> tuple[int, int]:
    """(height, width) in pixels, read without decoding. Raises NotAnImage."""
    try:
        if image_bytes.startswith(_PNG_MAGIC):
            return _png_size(image_bytes)
        if image_bytes.startswith(_JPEG_MAGIC):
            return _jpeg_size(image_bytes)
        if image_bytes.startswith(b"BM"):
            return _bmp_size(image_bytes)
    except struct.error as exc:
        raise NotAnImage("The file ends within its header.") from exc
    raise NotAnImage("The file is neither PNG nor JPEG nor BMP.")


def _png_size(image_bytes: bytes) -> tuple[int, int]:
    width_px, height_px = struct.unpack_from(">II", image_bytes, 16)
    _require_end(image_bytes, b"IEND")
    return height_px, width_px


def _jpeg_size(image_bytes: bytes) -> tuple[int, int]:
    _require_end(image_bytes, b"\xff\xd9")
    at = 2
    while True:
        mark, kind, length = struct.unpack_from(">BBH", image_bytes, at)
        if mark != 0xFF:
            raise NotAnImage("The JPEG's segments are damaged.")
        if kind in _JPEG_FRAMES:
            height_px, width_px = struct.unpack_from(">HH", image_bytes, at + 5)
            return height_px, width_px
        at += 1 if kind == 0xFF else 2 + length


def _bmp_size(image_bytes: bytes) -> tuple[int, int]:
    (file_bytes,) = struct.unpack_from("<I", image_bytes, 2)
    if len(image_bytes) < file_bytes:
        raise NotAnImage("The file is cut off before its end.")
    width_px, height_px = struct.unpack_from("<ii", image_bytes, 18)
    return abs(height_px), abs(width_px)


def _require_end(image_bytes: bytes, end_mark: bytes) -> None:
    # Decoders fill the missing rest of a cut-off file with grey, without an error.
    if end_mark not in image_bytes[-_TAIL_BYTES:]:
        raise NotAnImage("The file is cut off before its end.")


def to_tensor(pixels: Pixels, spec: PreprocessingSpec) -> Tensor:
    """Resize, put the colours in order, then (pixel * scale - mean[c]) / std[c] in float32.

    pixels: (H, W, 3) uint8, BGR.
    Returns contiguous float32 (1, C, height, width), or (1, height, width, C) for NHWC; C is 1 for grey, which uses
    the first mean and std, else 3.
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
        raise ValueError(f"a picture is (H, W, 3) and not empty, not {pixels.shape}")
    planes = _in_colour_order(resize(pixels, spec), spec.colour_order)
    tables = _value_tables(spec, len(planes))
    values = [cv2.LUT(plane, table) for plane, table in zip(planes, tables, strict=True)]
    return np.asarray(np.stack(values, axis=0 if spec.layout is Layout.NCHW else 2)[np.newaxis], np.float32)


def _value_tables(spec: PreprocessingSpec, channels: int) -> Tensor:
    """(channels, 256) float32: what each grey level becomes. A twelfth of the time of computing it for each pixel."""
    mean = np.asarray(spec.mean[:channels], np.float32)
    std = np.asarray(spec.std[:channels], np.float32)
    if mean.size != channels or std.size != channels or not std.all():
        raise ValueError(f"mean and std need {channels} values each, and no std may be 0")
    scaled = np.arange(256, dtype=np.float32) * np.float32(spec.scale)
    return np.asarray((scaled - mean[:, np.newaxis]) / std[:, np.newaxis], np.float32)


def resize(pixels: Pixels, spec: PreprocessingSpec) -> Pixels:
    """Fit the picture into (height_px, width_px) as `spec.mode` says. Returns (height_px, width_px, 3) uint8, BGR.

    stretch ignores the aspect; letterbox keeps all of the picture and pads; centre_crop takes the largest middle
    part that has the wanted aspect. Odd remainders go to the bottom and the right.
    """
    height_px, width_px = pixels.shape[:2]
    ratios = (spec.height_px / height_px, spec.width_px / width_px)
    if spec.mode is ResizeMode.STRETCH:
        return _scaled(pixels, (spec.height_px, spec.width_px), spec.kernel)
    if spec.mode is ResizeMode.LETTERBOX:
        size = [max(1, round(side_px * min(ratios))) for side_px in (height_px, width_px)]
        return _padded(_scaled(pixels, (size[0], size[1]), spec.kernel), spec)
    # Cropped before it is scaled: a picture of 1 x 1,000,000 pixels must not grow to gigabytes first.
    return _scaled(_cropped(pixels, spec, max(ratios)), (spec.height_px, spec.width_px), spec.kernel)


def _scaled(pixels: Pixels, size_px: tuple[int, int], kernel: ResizeKernel) -> Pixels:
    if pixels.shape[:2] == size_px:
        return pixels
    return np.asarray(cv2.resize(pixels, (size_px[1], size_px[0]), interpolation=_KERNELS[kernel]), np.uint8)


def _padded(pixels: Pixels, spec: PreprocessingSpec) -> Pixels:
    height_px, width_px = pixels.shape[:2]
    canvas = np.full((spec.height_px, spec.width_px, 3), spec.pad_value, np.uint8)
    top, left = (spec.height_px - height_px) // 2, (spec.width_px - width_px) // 2
    canvas[top : top + height_px, left : left + width_px] = pixels
    return canvas


def _cropped(pixels: Pixels, spec: PreprocessingSpec, ratio: float) -> Pixels:
    """The middle part that has the wanted aspect."""
    height_px, width_px = pixels.shape[:2]
    keep_height_px = min(height_px, max(1, round(spec.height_px / ratio)))
    keep_width_px = min(width_px, max(1, round(spec.width_px / ratio)))
    top, left = (height_px - keep_height_px) // 2, (width_px - keep_width_px) // 2
    return pixels[top : top + keep_height_px, left : left + keep_width_px]


def _in_colour_order(pixels: Pixels, order: ColourOrder) -> list[Pixels]:
    """(H, W) uint8 planes: one for grey, else three."""
    if order is ColourOrder.GREY:
        return [np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), np.uint8)]
    planes = [np.asarray(plane, np.uint8) for plane in cv2.split(pixels)]
    return planes if order is ColourOrder.BGR else planes[::-1]
