"""Eight ways in which two sides come to compute differently: each is detected, and called by its name and stage."""

import cv2
import msgspec
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from edge_agent.contract.parity import GoldenFrames, Stage, Steps, check_parity
from edge_agent.contract.preprocessing import decode, resize, to_tensor
from edge_agent.contract.skews import Skew
from edge_agent.wire.manifest import (
    ColourOrder,
    Decision,
    Golden,
    Layout,
    Manifest,
    PreprocessingSpec,
    ResizeKernel,
    ResizeMode,
)
from edge_agent.wire.words import Verdict

FRAME_COUNT = 2
FEW = settings(max_examples=25, deadline=None, derandomize=True)

specs = st.builds(
    PreprocessingSpec,
    height_px=st.integers(12, 40),
    width_px=st.integers(12, 40),
    colour_order=st.sampled_from([ColourOrder.RGB, ColourOrder.BGR]),
    kernel=st.sampled_from(ResizeKernel),
    mode=st.sampled_from(ResizeMode),
    scale=st.sampled_from([1 / 255, 1.0]),
    mean=st.sampled_from([(0.0, 0.0, 0.0), (0.485, 0.456, 0.406)]),
    std=st.sampled_from([(1.0, 1.0, 1.0), (0.229, 0.224, 0.225)]),
    layout=st.sampled_from(Layout),
    pad_value=st.sampled_from([0, 114]),
)
seeds = st.integers(0, 1000)


def pictures(seed):
    """Textured and colourful, larger than any tensor and of no tensor's aspect."""
    rng = np.random.default_rng(seed)
    small = rng.uniform(30, 225, (FRAME_COUNT, 24, 38, 3)).astype(np.float32)
    large = [
        cv2.resize(one, (150, 91), interpolation=cv2.INTER_CUBIC) + rng.normal(0, 4, (91, 150, 3)) for one in small
    ]
    return np.clip(large, 0, 255).astype(np.uint8)


def report_of(spec, frames, *, trained, computed=None, encoded=(), decoded=decode):
    """Parity where the training side made `trained`'s tensors and this side makes `computed`'s."""
    made = np.concatenate([trained(frame) for frame in frames])
    golden = GoldenFrames(frames=frames, tensors=made, scores=np.zeros(len(frames), np.float32), encoded=encoded)
    manifest = Manifest(
        name="n",
        version="1",
        labels=["good", "defect"],
        preprocessing=spec,
        decision=Decision(threshold_ratio=0.5),
        golden=Golden(count=len(frames)),
        files={},
    )
    steps = Steps(
        decode=decoded,
        to_tensor=computed or by(spec),
        score=lambda tensor: 0.0,
        verdict=lambda score: Verdict.OK,
    )
    return check_parity(golden, manifest=manifest, steps=steps)


def by(spec, **fields):
    changed = msgspec.structs.replace(spec, **fields)
    return lambda frame: to_tensor(frame, changed)


def assert_named(spec, frames, skewed, skew):
    """Whichever side is the skewed one."""
    for sides in ({"trained": skewed}, {"trained": by(spec), "computed": skewed}):
        report = report_of(spec, frames, **sides)
        assert (report.diverged, report.skew) == (Stage.PREPROCESS, skew)
        assert skew in report.text


def assume_another_aspect(spec):
    """Else nothing is left to crop, or to fill up."""
    assume(abs(spec.width_px / spec.height_px / (150 / 91) - 1) > 0.1)


def other(choices, taken):
    return st.sampled_from([choice for choice in choices if choice is not taken])


@FEW
@given(specs, seeds)
def test_nothing_is_named_where_nothing_differs(spec, seed):
    report = report_of(spec, pictures(seed), trained=by(spec))
    assert (report.diverged, report.skew, report.text) == (None, None, "")


@FEW
@given(specs, seeds)
def test_swapped_red_and_blue(spec, seed):
    swapped = ColourOrder.RGB if spec.colour_order is ColourOrder.BGR else ColourOrder.BGR
    assert_named(spec, pictures(seed), by(spec, colour_order=swapped), Skew.COLOUR_ORDER)


@FEW
@given(specs, seeds)
def test_a_missing_or_second_division_by_255(spec, seed):
    scale = 1.0 if spec.scale < 1 else 1 / 255
    assert_named(spec, pictures(seed), by(spec, scale=scale), Skew.RANGE)


@FEW
@given(specs, seeds, st.data())
def test_another_resize_kernel(spec, seed, data):
    kernel = data.draw(other(ResizeKernel, spec.kernel))
    assert_named(spec, pictures(seed), by(spec, kernel=kernel), Skew.KERNEL)


@FEW
@given(specs, seeds, st.sampled_from([{"mean": (0.3, 0.5, 0.4)}, {"std": (0.5, 0.4, 0.6)}]))
def test_another_mean_or_deviation(spec, seed, fields):
    # Beside grey levels up to 255 such a mean changes nothing.
    assume(spec.scale < 1 or "std" in fields)
    assert_named(spec, pictures(seed), by(spec, **fields), Skew.NORMALIZATION)


@FEW
@given(specs, seeds, st.sampled_from([ResizeMode.STRETCH, ResizeMode.CENTRE_CROP]))
def test_another_crop(spec, seed, mode):
    assume_another_aspect(spec)
    spec = msgspec.structs.replace(spec, mode=mode)
    swapped = ResizeMode.STRETCH if mode is ResizeMode.CENTRE_CROP else ResizeMode.CENTRE_CROP
    assert_named(spec, pictures(seed), by(spec, mode=swapped), Skew.CROP)


@FEW
@given(specs, seeds)
def test_a_crop_from_the_corner_instead_of_the_middle(spec, seed):
    spec = msgspec.structs.replace(spec, mode=ResizeMode.CENTRE_CROP, height_px=20, width_px=20)

    def from_corner(frame):
        return to_tensor(frame[:, : frame.shape[0]], spec)

    assert_named(spec, pictures(seed), from_corner, Skew.CROP)


@FEW
@given(specs, seeds, st.data())
def test_a_letterbox_on_one_side_only(spec, seed, data):
    assume_another_aspect(spec)
    spec = msgspec.structs.replace(spec, mode=ResizeMode.LETTERBOX)
    mode = data.draw(other(ResizeMode, ResizeMode.LETTERBOX))
    assert_named(spec, pictures(seed), by(spec, mode=mode), Skew.LETTERBOX)


@FEW
@given(specs, seeds)
def test_a_letterbox_with_another_border(spec, seed):
    spec = msgspec.structs.replace(spec, mode=ResizeMode.LETTERBOX, height_px=30, width_px=30)
    assert_named(spec, pictures(seed), by(spec, pad_value=77), Skew.LETTERBOX)


@FEW
@given(specs, seeds)
def test_channels_last_instead_of_first(spec, seed):
    layout = Layout.NHWC if spec.layout is Layout.NCHW else Layout.NCHW
    assert_named(spec, pictures(seed), by(spec, layout=layout), Skew.LAYOUT)


def as_jpeg(frame):
    return cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


def with_blocky_chroma(content):
    """As a decoder does that repeats the halved chroma instead of interpolating it."""
    luma, *chroma = cv2.split(cv2.cvtColor(decode(content), cv2.COLOR_BGR2YCrCb))
    halved = [cv2.resize(one, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for one in chroma]
    size = luma.shape[::-1]
    repeated = [cv2.resize(one, size, interpolation=cv2.INTER_NEAREST) for one in halved]
    return cv2.cvtColor(cv2.merge([luma, *repeated]), cv2.COLOR_YCrCb2BGR)


DECODERS = {
    "chroma": (Skew.CHROMA, with_blocky_chroma),
    "red_and_blue": (Skew.COLOUR_ORDER, lambda content: decode(content)[..., ::-1]),
    "brightness": (Skew.PIXELS, lambda content: np.clip(decode(content) * 1.1, 0, 255).astype(np.uint8)),
    "turned": (Skew.PIXELS, lambda content: np.rot90(decode(content))),
}


@pytest.mark.parametrize("name", DECODERS)
@pytest.mark.parametrize("seed", range(3))
def test_files_that_decode_otherwise_are_named_at_their_stage(name, seed):
    skew, decoded = DECODERS[name]
    files = tuple(map(as_jpeg, pictures(seed)))
    frames = np.stack([decode(file) for file in files])
    spec = PreprocessingSpec(height_px=20, width_px=30)
    report = report_of(spec, frames, trained=by(spec), encoded=files, decoded=decoded)
    assert (report.diverged, report.skew) == (Stage.DECODE, skew)


def test_two_skews_at_once_are_detected_and_left_unnamed():
    spec = PreprocessingSpec(height_px=20, width_px=30)
    skewed = by(spec, colour_order=ColourOrder.BGR, kernel=ResizeKernel.NEAREST)
    report = report_of(spec, pictures(1), trained=skewed)
    assert (report.diverged, report.skew) == (Stage.PREPROCESS, None)
    assert report.text == "the golden frames differ at the stage preprocess"


@FEW
@given(specs, seeds)
def test_layouts_and_colour_orders_hold_the_same_values(spec, seed):
    (frame, *_) = pictures(seed)
    first, last = (
        by(spec, layout=layout, mean=(0.0,) * 3, std=(1.0,) * 3)(frame) for layout in (Layout.NCHW, Layout.NHWC)
    )
    assert np.array_equal(first.transpose(0, 2, 3, 1), last)
    rgb, bgr = (
        by(spec, layout=Layout.NHWC, colour_order=order, mean=(0.0,) * 3, std=(1.0,) * 3)(frame)
        for order in (ColourOrder.RGB, ColourOrder.BGR)
    )
    assert np.array_equal(rgb[..., ::-1], bgr)


@FEW
@given(specs, seeds)
def test_a_picture_of_the_wanted_aspect_is_the_same_in_every_mode(spec, seed):
    (frame, *_) = pictures(seed)
    square = msgspec.structs.replace(spec, height_px=spec.height_px, width_px=spec.height_px)
    results = [resize(frame[:80, :80], msgspec.structs.replace(square, mode=mode)) for mode in ResizeMode]
    assert all(np.array_equal(result, results[0]) for result in results)
