"""Bad frames are held and named; good ones, broken parts among them, are not."""

import msgspec
import numpy as np
import pytest

from edge_agent.contract.quality import BadImage, Calibrator, QualityWatch, require_judgeable
from edge_agent.wire.quality import QualityBaseline
from edge_agent.wire.words import CannotJudge
from tests.kit.camera_faults import FAULTS, station_pictures

WINDOW = 8


def picture(height_px=64, width_px=48):
    return np.random.default_rng(7).integers(0, 255, (height_px, width_px, 3), dtype=np.uint8)


def learned(pictures):
    calibrator = Calibrator(frames_wanted=len(pictures))
    for one in pictures:
        calibrator.add(one)
    return calibrator.baseline()


@pytest.fixture(scope="module")
def baseline():
    return learned(station_pictures(80, seed=1, cracked_ratio=0.0))


@pytest.fixture(scope="module")
def unseen():
    return station_pictures(200, seed=2, cracked_ratio=0.5)


def last_verdict(watch, pictures):
    for one in pictures:
        verdict = watch.judge(one)
    return verdict


def test_a_real_picture_passes():
    require_judgeable(picture())


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((64, 64, 3), np.uint8),
        picture().astype(np.float32),
        picture()[:, :, 0],
        picture(height_px=4),
    ],
    ids=["constant", "float", "grey", "tiny"],
)
def test_frames_that_show_nothing_are_refused(baseline, pixels):
    with pytest.raises(BadImage):
        require_judgeable(pixels)
    with pytest.raises(BadImage):
        QualityWatch(baseline).judge(pixels)


@pytest.mark.parametrize("name", FAULTS)
def test_a_camera_fault_is_held_and_named_within_eight_frames(baseline, unseen, name):
    reason, series = FAULTS[name]
    rng = np.random.default_rng(3)
    for start in range(0, 64, 16):
        watch = QualityWatch(baseline)
        shown = unseen[start : start + 16]
        assert last_verdict(watch, shown[:WINDOW]).worst is None
        bad = series([shown[WINDOW - 1], *shown[WINDOW:-1]] if name == "freeze" else shown[WINDOW:], rng)
        assert last_verdict(watch, bad).worst.reason is reason


def test_good_frames_pass_and_broken_parts_are_good_frames(baseline, unseen):
    watch = QualityWatch(baseline)
    assert [verdict.worst for verdict in map(watch.judge, unseen)] == [None] * len(unseen)


def test_a_fault_that_goes_away_is_forgotten(baseline, unseen):
    watch = QualityWatch(baseline)
    _, series = FAULTS["blur"]
    assert last_verdict(watch, series(unseen[:WINDOW], None)).worst is not None
    assert last_verdict(watch, unseen[WINDOW : 2 * WINDOW]).worst is None


def test_a_baseline_travels_and_judges_the_same(baseline, unseen):
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(baseline), type=QualityBaseline)
    assert again == baseline
    noisy = next(FAULTS["noise"][1](unseen, np.random.default_rng(1)))
    assert QualityWatch(again).judge(noisy) == QualityWatch(baseline).judge(noisy)


def test_the_same_frames_teach_the_same(baseline):
    assert learned(station_pictures(80, seed=1, cracked_ratio=0.0)) == baseline


def test_a_few_bad_frames_do_not_spoil_what_is_learned(unseen):
    good = station_pictures(76, seed=1)
    _, series = FAULTS["blur"]
    watch = QualityWatch(learned([*good, *series(station_pictures(4, seed=9), None)]))
    assert last_verdict(watch, series(unseen[:WINDOW], None)).worst.reason is CannotJudge.BLURRED


def test_a_repeated_frame_is_no_fault_where_it_may_be(baseline, unseen):
    watch = QualityWatch(baseline, may_repeat=True)
    assert last_verdict(watch, [unseen[0]] * 20).worst is None


def test_a_frozen_camera_teaches_nothing():
    calibrator = Calibrator(frames_wanted=30)
    for _ in range(50):
        calibrator.add(picture())
    assert (calibrator.is_complete, calibrator.frame_count) == (False, 1)
    with pytest.raises(ValueError, match="30 frames"):
        calibrator.baseline()


@pytest.mark.parametrize("size", [(16, 16), (17, 900), (1500, 2000)])
def test_any_size_of_picture_can_be_learned_and_judged(size):
    rng = np.random.default_rng(5)
    pictures = [rng.integers(40, 200, (*size, 3), dtype=np.uint8) for _ in range(3)] * 11
    assert QualityWatch(learned(pictures)).judge(pictures[1]).measures["noise"] > 0
