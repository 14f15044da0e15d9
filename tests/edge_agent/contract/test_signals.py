"""Filters and features against values that a book gives, and recordings that cannot be judged."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.contract.signal_quality import SignalCalibrator, SignalWatch, calibrated
from edge_agent.contract.signals import BadSignal, features, filtered, to_signal_tensor
from edge_agent.wire.signals import FeatureKind, FeatureSpec, FilterKind, FilterSpec, SignalBaseline, SignalSpec
from edge_agent.wire.words import CannotJudge
from tests.kit.sensor_faults import SENSOR_FAULTS, recording

COUNT = 1000
RATE_HZ = 1000.0
INNER = slice(100, -100)


def spec(**fields):
    return SignalSpec(rate_hz=RATE_HZ, sample_count=COUNT, **fields)


def sine(hz, amplitude=1.0, offset=0.0):
    at_s = np.arange(COUNT) / RATE_HZ
    return (offset + amplitude * np.sin(2 * np.pi * hz * at_s))[np.newaxis]


def through(samples, kind, length=101, **band):
    return filtered(samples, spec(filters=(FilterSpec(kind=kind, length=length, **band),)))


def feature(samples, kind, **band):
    (value,) = features(samples, spec(features=(FeatureSpec(kind=kind, **band),))).reshape(-1)
    return value


def test_a_moving_average_leaves_a_ramp_and_halves_a_spike_over_its_length():
    ramp = np.arange(COUNT, dtype=float)[np.newaxis]
    np.testing.assert_allclose(through(ramp, FilterKind.MOVING_AVERAGE, 5)[:, INNER], ramp[:, INNER])
    spike = np.zeros((1, COUNT))
    spike[0, 500] = 10
    assert through(spike, FilterKind.MOVING_AVERAGE, 5)[0, 497:504].tolist() == [0, 2, 2, 2, 2, 2, 0]


def test_a_median_removes_a_spike_and_keeps_a_step():
    step = np.repeat([0.0, 1.0], COUNT // 2)[np.newaxis]
    spiked = step.copy()
    spiked[0, 100] = 50
    assert np.array_equal(through(spiked, FilterKind.MEDIAN, 5), step)


@pytest.mark.parametrize(("hz", "is_passed"), [(5, False), (60, True), (200, False)])
def test_a_band_passes_what_lies_in_it(hz, is_passed):
    left = through(sine(hz, offset=3.0), FilterKind.BAND, low_hz=30.0, high_hz=100.0)[:, INNER]
    assert np.abs(left).max() == pytest.approx(1.0 if is_passed else 0.0, abs=0.01)


def test_a_band_that_is_open_below_keeps_the_mean_and_open_above_drops_it():
    both = sine(5, offset=3.0) + sine(300)
    assert through(both, FilterKind.BAND, high_hz=100.0)[:, INNER] == pytest.approx(
        sine(5, offset=3.0)[:, INNER], abs=0.01
    )
    assert through(both, FilterKind.BAND, low_hz=100.0)[:, INNER] == pytest.approx(sine(300)[:, INNER], abs=0.01)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (FeatureKind.MEAN, 0.0),
        (FeatureKind.RMS, 2 / 2**0.5),
        (FeatureKind.PEAK, 2.0),
        (FeatureKind.CREST, 2**0.5),
        (FeatureKind.SKEWNESS, 0.0),
        (FeatureKind.KURTOSIS, 1.5),
    ],
)
def test_the_features_of_a_sine_are_those_of_the_book(kind, expected):
    assert feature(sine(50, amplitude=2.0), kind) == pytest.approx(expected, abs=2e-3)


def test_the_energy_of_a_band_is_the_mean_square_in_it():
    both = sine(50, amplitude=2.0, offset=7.0) + sine(200)
    assert feature(both, FeatureKind.BAND_ENERGY, low_hz=25.0, high_hz=100.0) == pytest.approx(2.0, rel=1e-3)
    assert feature(both, FeatureKind.BAND_ENERGY, low_hz=100.0) == pytest.approx(0.5, rel=1e-3)


@pytest.mark.parametrize("kind", FeatureKind)
def test_a_signal_that_does_not_move_has_finite_features(kind):
    assert np.isfinite(feature(np.full((1, COUNT), 4.0), kind))
    assert np.isfinite(feature(np.zeros((1, COUNT)), kind))


def test_without_features_the_input_is_the_filtered_samples():
    two = np.concatenate([sine(5, offset=3.0), sine(20)])
    tensor = to_signal_tensor(two, spec(channels=2, is_mean_removed=True, mean=(0.0, 1.0), std=(1.0, 2.0)))
    assert (tensor.shape, tensor.dtype, tensor.flags.c_contiguous) == ((1, 2, COUNT), np.float32, True)
    np.testing.assert_allclose(tensor[0, 0], sine(5)[0], atol=1e-6)
    np.testing.assert_allclose(tensor[0, 1], (sine(20)[0] - 1) / 2, atol=1e-6)


def test_features_come_channel_by_channel_and_are_normalized_one_by_one():
    two = np.concatenate([np.full((1, COUNT), 3.0), np.full((1, COUNT), 5.0)])
    wanted = (FeatureSpec(kind=FeatureKind.MEAN), FeatureSpec(kind=FeatureKind.PEAK))
    plain = to_signal_tensor(two, spec(channels=2, features=wanted))
    assert plain.tolist() == [[3.0, 3.0, 5.0, 5.0]]
    scaled = to_signal_tensor(
        two, spec(channels=2, features=wanted, mean=(1.0, 1.0, 1.0, 1.0), std=(1.0, 2.0, 4.0, 8.0))
    )
    assert scaled.tolist() == [[2.0, 1.0, 1.0, 0.5]]


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(0, 1000), st.sampled_from([FilterKind.MOVING_AVERAGE, FilterKind.BAND]), st.floats(0.1, 10))
def test_these_filters_are_linear(seed, kind, gain):
    one, other = np.random.default_rng(seed).normal(0, 1, (2, 1, COUNT))
    band = {"low_hz": 30.0, "high_hz": 200.0} if kind is FilterKind.BAND else {}
    together = through(one + gain * other, kind, **band)
    np.testing.assert_allclose(together, through(one, kind, **band) + gain * through(other, kind, **band), atol=1e-9)


@pytest.mark.parametrize("samples", [np.zeros((1, 7)), np.zeros((2, COUNT)), np.full((1, COUNT), np.nan)])
def test_other_samples_than_the_specs_are_refused(samples):
    with pytest.raises(BadSignal):
        to_signal_tensor(samples, spec())


@pytest.mark.parametrize(
    "fields",
    [
        {"filters": (FilterSpec(kind=FilterKind.MEDIAN, length=4),)},
        {"filters": (FilterSpec(kind=FilterKind.BAND, length=5, low_hz=400.0, high_hz=300.0),)},
        {"filters": (FilterSpec(kind=FilterKind.BAND, length=5, high_hz=501.0),)},
        {"std": (0.0,)},
        {"mean": (0.0, 0.0)},
    ],
)
def test_a_spec_that_contradicts_itself_is_an_error(fields):
    with pytest.raises(ValueError, match=r"odd|band|std"):
        to_signal_tensor(sine(5), spec(**fields))


@pytest.fixture(scope="module")
def watch():
    rng = np.random.default_rng(1)
    baseline = calibrated([recording(rng) for _ in range(60)])
    travelled = msgspec.msgpack.decode(msgspec.msgpack.encode(baseline), type=SignalBaseline)
    assert travelled == baseline
    return SignalWatch(travelled)


@pytest.mark.parametrize("name", SENSOR_FAULTS)
def test_a_sensors_fault_is_held_and_named(watch, name):
    rng = np.random.default_rng(2)
    reason, spoil = SENSOR_FAULTS[name]
    for n in range(40):
        assert watch.judge(spoil(recording(rng, is_broken=n % 2 == 0), rng)).worst.reason is reason


def test_good_recordings_pass_and_broken_parts_are_good_recordings(watch):
    rng = np.random.default_rng(3)
    assert all(watch.judge(recording(rng, is_broken=n % 2 == 0)).worst is None for n in range(200))


@pytest.mark.parametrize(
    "times_s", [np.r_[0:1024, 1034:2058] / 4096.0, np.r_[0:1024, 1000:2024] / 4096.0], ids=["late", "backwards"]
)
def test_stamps_that_jump_are_a_gap(watch, times_s):
    samples = recording(np.random.default_rng(4))
    assert watch.judge(samples, np.arange(2048) / 4096.0).worst is None
    assert watch.judge(samples, times_s).worst.reason is CannotJudge.SIGNAL_GAP


def test_a_sensor_that_is_gone_is_a_gap(watch):
    assert watch.judge(np.full((1, 2048), np.nan)).worst.reason is CannotJudge.SIGNAL_GAP


def test_too_few_recordings_teach_nothing():
    calibrator = SignalCalibrator()
    calibrator.add(recording(np.random.default_rng(1)))
    with pytest.raises(ValueError, match="20 recordings"):
        calibrator.baseline()
