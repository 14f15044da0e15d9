"""Names what two sides do differently, once golden frames show that they do.

A skew is named when undoing it alone makes both sides equal; what two skews did together stays unnamed.
"""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Any

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from edge_agent.contract.preprocessing import to_tensor
from edge_agent.values import Pixels, Tensor
from edge_agent.wire.manifest import Layout, PreprocessingSpec, ResizeKernel, ResizeMode

_SAME_GREY_LEVELS = 0.05
"""Tensors are compared as grey levels, where float32 rounding stays below this."""
_SAME_GAIN = 1e-3
_CHROMA_OVER_LUMA = 2.0
_LUMA_ROUNDING = 1.0
"""Grey levels; what converting colours to YCrCb and back may cost."""
_ANCHORS = ((0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0))


class Skew(StrEnum):
    """What is done differently, in the order of computation."""

    CHROMA = "chroma"
    PIXELS = "pixels"
    COLOUR_ORDER = "colour_order"
    KERNEL = "kernel"
    CROP = "crop"
    LETTERBOX = "letterbox"
    RANGE = "range"
    NORMALIZATION = "normalization"
    LAYOUT = "layout"


SKEW_TEXTS = {
    Skew.CHROMA: "brightness agrees and colour does not: the JPEG's chroma is decoded or upsampled otherwise",
    Skew.PIXELS: "the files decode to other pixels",
    Skew.COLOUR_ORDER: "red and blue are swapped",
    Skew.KERNEL: "another resize kernel",
    Skew.CROP: "another part of the picture is cut out",
    Skew.LETTERBOX: "the picture is fitted in with other borders, or without",
    Skew.RANGE: "the values are scaled otherwise, as by 1/255 on one side only",
    Skew.NORMALIZATION: "another mean or standard deviation",
    Skew.LAYOUT: "channels first on one side, last on the other",
}


def decode_skew(computed: Sequence[Pixels], golden: NDArray[np.uint8]) -> Skew:
    """Why files decode to other pixels than the golden frames (N, H, W, 3)."""
    if any(one.shape != known.shape for one, known in zip(computed, golden, strict=True)):
        return Skew.PIXELS
    pixels = np.stack(computed)
    if np.array_equal(pixels[..., ::-1], golden):
        return Skew.COLOUR_ORDER
    luma, chroma = _luma_and_chroma(pixels, golden)
    is_chroma = chroma > _CHROMA_OVER_LUMA * luma and luma < _LUMA_ROUNDING
    return Skew.CHROMA if is_chroma else Skew.PIXELS


def tensor_skew(
    frames: NDArray[np.uint8], *, computed: Sequence[Tensor], golden: Tensor, spec: PreprocessingSpec
) -> Skew | None:
    """Why tensors differ that both sides made of the same frames by one spec; None when no single skew explains it.

    computed, golden: one tensor per frame, without batch dimension.
    """
    if any(one.shape != computed[0].shape for one in computed):
        return None
    ours = np.stack(computed)
    if ours.shape != golden.shape or not np.isfinite(ours).all():
        return Skew.LAYOUT if _is_other_layout(ours, golden) else None
    here, there = _grey_levels(ours, spec), _grey_levels(golden, spec)
    if ours.shape[-1] == golden.shape[1] and _are_same(_turned(ours, spec.layout), golden, spec):
        return Skew.LAYOUT
    if _are_equal(here[..., ::-1], there):
        return Skew.COLOUR_ORDER
    if spec.mode is ResizeMode.LETTERBOX and _are_equal(
        *(_within_borders(side, frames, spec) for side in (here, there))
    ):
        return Skew.LETTERBOX
    return _affine_skew(here, there) or _geometry_skew(frames, (here, there), spec)


def _within_borders(
    values: NDArray[np.float64], frames: NDArray[np.uint8], spec: PreprocessingSpec
) -> NDArray[np.float64]:
    """The part of a letterboxed tensor that shows the picture."""
    height_px, width_px = frames.shape[1:3]
    ratio = min(spec.height_px / height_px, spec.width_px / width_px)
    shown_px = [max(1, round(side_px * ratio)) for side_px in (height_px, width_px)]
    top, left = (spec.height_px - shown_px[0]) // 2, (spec.width_px - shown_px[1]) // 2
    return values[:, top : top + shown_px[0], left : left + shown_px[1]]


def _luma_and_chroma(pixels: NDArray[np.uint8], golden: NDArray[np.uint8]) -> tuple[float, float]:
    """Mean absolute differences in grey levels."""
    pairs = [(_ycrcb(one), _ycrcb(known)) for one, known in zip(pixels, golden, strict=True)]
    difference = np.mean([np.abs(one - known).mean(axis=(0, 1)) for one, known in pairs], axis=0)
    return float(difference[0]), float(difference[1:].max())


def _ycrcb(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2YCrCb), np.float32)


def _is_other_layout(ours: Tensor, golden: Tensor) -> bool:
    return any(turned.shape == golden.shape and np.allclose(turned, golden, atol=1e-3) for turned in _turns(ours))


def _turns(tensors: Tensor) -> tuple[Tensor, Tensor]:
    """From (N, H, W, C) to (N, C, H, W), and the other way round."""
    return np.moveaxis(tensors, -1, 1), np.moveaxis(tensors, 1, -1)


def _turned(ours: Tensor, layout: Layout) -> Tensor:
    to_first, to_last = _turns(ours)
    return to_first if layout is Layout.NCHW else to_last


def _are_same(ours: Tensor, golden: Tensor, spec: PreprocessingSpec) -> bool:
    return ours.shape == golden.shape and _are_equal(_grey_levels(ours, spec), _grey_levels(golden, spec))


def _grey_levels(tensors: Tensor, spec: PreprocessingSpec) -> NDArray[np.float64]:
    """The tensors before range and normalization, channels last: (N, H, W, C)."""
    values = np.asarray(tensors if spec.layout is Layout.NHWC else np.moveaxis(tensors, 1, -1), np.float64)
    channels = values.shape[-1]
    mean, std = (np.asarray(given[:channels], np.float64) for given in (spec.mean, spec.std))
    return np.asarray((values * std + mean) / spec.scale)


def _are_equal(here: NDArray[Any], there: NDArray[Any]) -> bool:
    return bool(np.max(np.abs(here - there), initial=0.0) < _SAME_GREY_LEVELS)


def _affine_skew(here: NDArray[np.float64], there: NDArray[np.float64]) -> Skew | None:
    """Each channel of one side is a straight line of the other's."""
    lines = [_line(here[..., channel], there[..., channel]) for channel in range(here.shape[-1])]
    if any(line is None for line in lines):
        return None
    gains, offsets = np.array([line for line in lines if line is not None]).T
    is_one_gain = np.ptp(gains) < _SAME_GAIN * np.abs(gains).max() and abs(gains[0] - 1) > _SAME_GAIN
    is_through_zero = np.abs(offsets).max() < _SAME_GREY_LEVELS * max(1.0, np.abs(gains).max())
    return Skew.RANGE if is_one_gain and is_through_zero else Skew.NORMALIZATION


def _line(here: NDArray[np.float64], there: NDArray[np.float64]) -> tuple[float, float] | None:
    """(gain, offset) with there = gain * here + offset for every value; None when there is no such line."""
    here, there = here.reshape(-1), there.reshape(-1)
    spread = float(np.var(here))
    if spread == 0:
        return None
    gain = float(np.mean((here - here.mean()) * (there - there.mean()))) / spread
    offset = float(there.mean() - gain * here.mean())
    return (gain, offset) if _are_equal(gain * here + offset, there) else None


def _geometry_skew(
    frames: NDArray[np.uint8], sides: tuple[NDArray[np.float64], ...], spec: PreprocessingSpec
) -> Skew | None:
    """Which other way to fit the picture in gives what one of the sides has."""
    for skew, candidate, shown in _candidates(frames, spec):
        made = np.concatenate([to_tensor(frame, candidate) for frame in shown])
        values = _grey_levels(made, spec)
        if any(values.shape == side.shape and _are_equal(values, side) for side in sides):
            return skew
    return None


def _candidates(
    frames: NDArray[np.uint8], spec: PreprocessingSpec
) -> Iterator[tuple[Skew, PreprocessingSpec, Sequence[Pixels]]]:
    """Every other kernel, mode and place to crop. The spec itself is left out: one side at least has that."""
    whole = list(frames)
    for kernel in ResizeKernel:
        if kernel is not spec.kernel:
            yield Skew.KERNEL, msgspec.structs.replace(spec, kernel=kernel), whole
    for mode in ResizeMode:
        if mode is not spec.mode:
            is_letterbox = ResizeMode.LETTERBOX in (mode, spec.mode)
            yield Skew.LETTERBOX if is_letterbox else Skew.CROP, msgspec.structs.replace(spec, mode=mode), whole
    stretched = msgspec.structs.replace(spec, mode=ResizeMode.STRETCH)
    for anchor in _ANCHORS:
        yield Skew.CROP, stretched, [_cut(frame, spec, anchor) for frame in whole]


def _cut(frame: Pixels, spec: PreprocessingSpec, anchor: tuple[float, float]) -> Pixels:
    """The largest part with the wanted aspect, at one corner instead of the middle."""
    height_px, width_px = frame.shape[:2]
    ratio = max(spec.height_px / height_px, spec.width_px / width_px)
    keep_height_px = min(height_px, max(1, round(spec.height_px / ratio)))
    keep_width_px = min(width_px, max(1, round(spec.width_px / ratio)))
    top = round(anchor[0] * (height_px - keep_height_px))
    left = round(anchor[1] * (width_px - keep_width_px))
    return frame[top : top + keep_height_px, left : left + keep_width_px]
