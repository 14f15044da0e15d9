"""Parity must name the stage that a skew sits in, and stay silent without one."""

import dataclasses
import io

import cv2
import msgspec
import numpy as np
import pytest

from edge_agent.contract.engines import OnnxEngine
from edge_agent.contract.parity import (
    GoldenBroken,
    GoldenFrames,
    Stage,
    check_parity,
    golden_bytes,
    package_steps,
    read_golden,
)
from edge_agent.contract.preprocessing import decode, to_tensor
from edge_agent.wire.manifest import ColourOrder, Layout, ResizeKernel, ResizeMode
from edge_agent.wire.words import Verdict
from tests.kit.models import SPEC, constant_model, golden_frames, mean_model, tiny_package


@pytest.fixture(scope="module")
def golden():
    bare = golden_frames(mean_model())
    encoded = tuple(cv2.imencode(".png", frame)[1].tobytes() for frame in bare.frames)
    return dataclasses.replace(bare, encoded=encoded)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    return tiny_package(tmp_path_factory.mktemp("package")).manifest


def steps(manifest, **skewed):
    engine = OnnxEngine(mean_model(), input_name="input", output_name="score")
    return dataclasses.replace(package_steps(manifest, engine), **skewed)


def with_spec(**fields):
    skewed = msgspec.structs.replace(SPEC, **fields)
    return lambda pixels: to_tensor(pixels, skewed)


def through_jpeg(content):
    return cv2.imdecode(cv2.imencode(".jpg", decode(content))[1], cv2.IMREAD_COLOR)


def test_the_same_computation_agrees_exactly(golden, manifest):
    report = check_parity(golden, manifest=manifest, steps=steps(manifest))
    assert report.diverged is None
    assert report.frame_count == 4
    assert (report.pixel_max_difference, report.tensor_max_difference, report.verdict_flips) == (0.0, 0.0, 0)
    assert report.score_max_difference < 1e-6


SKEWS = {
    "pixels_through_jpeg": (Stage.DECODE, {"decode": through_jpeg}),
    "red_and_blue_swapped": (Stage.PREPROCESS, {"to_tensor": with_spec(colour_order=ColourOrder.BGR)}),
    "another_kernel": (Stage.PREPROCESS, {"to_tensor": with_spec(kernel=ResizeKernel.LINEAR)}),
    "letterbox_for_stretch": (Stage.PREPROCESS, {"to_tensor": with_spec(mode=ResizeMode.LETTERBOX)}),
    "not_scaled": (Stage.PREPROCESS, {"to_tensor": with_spec(scale=1.0)}),
    "not_normalized": (Stage.PREPROCESS, {"to_tensor": with_spec(mean=(0.485, 0.456, 0.406))}),
    "channels_last": (Stage.PREPROCESS, {"to_tensor": with_spec(layout=Layout.NHWC)}),
    "another_model": (Stage.SCORE, {"score": lambda tensor: float(tensor.mean()) + 0.05}),
    "threshold_the_wrong_way": (Stage.VERDICT, {"verdict": lambda s: Verdict.OK if s >= 0.5 else Verdict.DEFECT}),
}


@pytest.mark.parametrize("name", SKEWS)
def test_a_skew_is_named_by_its_stage(name, golden, manifest):
    stage, skewed = SKEWS[name]
    assert check_parity(golden, manifest=manifest, steps=steps(manifest, **skewed)).diverged is stage


def test_a_score_that_is_not_a_number_counts_as_diverged(golden, manifest):
    report = check_parity(golden, manifest=manifest, steps=steps(manifest, score=lambda _: float("nan")))
    assert report.diverged is Stage.SCORE


def test_the_first_wrong_stage_is_named_when_two_are_wrong(golden, manifest):
    skewed = {"score": lambda _: 0.0, "to_tensor": with_spec(scale=1.0)}
    assert check_parity(golden, manifest=manifest, steps=steps(manifest, **skewed)).diverged is Stage.PREPROCESS


def test_golden_frames_survive_their_file(golden):
    again = read_golden(golden_bytes(golden))
    assert again.encoded == golden.encoded
    assert np.array_equal(again.frames, golden.frames)
    assert np.array_equal(again.tensors, golden.tensors)
    assert np.array_equal(again.scores, golden.scores)


def test_golden_verdicts_survive_their_file_and_are_compared(golden, manifest):
    wrong = (Verdict.DEFECT, Verdict.OK, Verdict.DEFECT, Verdict.OK)
    judged = read_golden(golden_bytes(dataclasses.replace(golden, verdicts=wrong)))
    assert judged.verdicts == wrong
    report = check_parity(judged, manifest=manifest, steps=steps(manifest))
    assert (report.diverged, report.verdict_flips) == (Stage.VERDICT, 2)


def test_arrays_that_a_later_version_adds_are_passed_over(golden):
    buffer = io.BytesIO(golden_bytes(golden))
    with np.load(buffer) as arrays:
        more = {**arrays, "masks": np.zeros(3, np.uint8)}
    later = io.BytesIO()
    np.savez(later, **more)
    assert read_golden(later.getvalue()).encoded == golden.encoded


def test_words_that_are_no_verdict_are_refused(golden):
    with np.load(io.BytesIO(golden_bytes(golden))) as arrays:
        more = {**arrays, "verdicts": np.array(["ok", "perhaps", "ok", "ok"])}
    content = io.BytesIO()
    np.savez(content, **more)
    with pytest.raises(GoldenBroken):
        read_golden(content.getvalue())


def test_stacked_model_inputs_are_read_as_tensors(golden):
    stacked = dataclasses.replace(golden, tensors=golden.tensors[:, np.newaxis])
    assert read_golden(golden_bytes(stacked)).tensors.shape == golden.tensors.shape


def test_a_file_that_is_no_set_of_golden_frames_is_refused(golden):
    short = GoldenFrames(frames=golden.frames[:2], tensors=golden.tensors, scores=golden.scores)
    for content in (b"", b"PK\x03\x04 no zip", golden_bytes(short)):
        with pytest.raises(GoldenBroken):
            read_golden(content)


def test_golden_frames_of_another_model_do_not_pass(manifest):
    other = golden_frames(constant_model(0.9))
    assert check_parity(other, manifest=manifest, steps=steps(manifest)).diverged is Stage.SCORE
