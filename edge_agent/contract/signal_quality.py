"""Can this recording be judged? Learned from a sensor's good recordings: noise, saturation, dropout, drift, gaps."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_agent.contract.quality.ranges import FaultWords, QualityVerdict, faults_of, quality_verdict, ranges_of
from edge_agent.contract.signals import Samples
from edge_agent.wire.signals import SignalBaseline
from edge_agent.wire.words import CannotJudge

RECORDINGS_WANTED = 100
RECORDINGS_MIN = 20
_WORDS = FaultWords(
    too_low={},
    too_high={
        "noise": CannotJudge.SIGNAL_NOISY,
        "saturated": CannotJudge.SIGNAL_SATURATED,
        "still": CannotJudge.SIGNAL_DROPOUT,
        "drift": CannotJudge.SIGNAL_DRIFT,
        "missing": CannotJudge.SIGNAL_GAP,
        "late": CannotJudge.SIGNAL_GAP,
    },
)
_CAUSES = (
    CannotJudge.SIGNAL_GAP,
    CannotJudge.SIGNAL_DROPOUT,
    CannotJudge.SIGNAL_SATURATED,
    CannotJudge.SIGNAL_DRIFT,
    CannotJudge.SIGNAL_NOISY,
)
"""Whichever comes first here makes the later ones look worse too."""
_NARROWEST = {"noise": 1.0, "saturated": 0.004, "still": 0.02, "drift": 0.5, "missing": 0.002, "late": 0.5}
"""noise: natural logarithm. saturated, still, missing: shares of the samples. drift: in standard deviations of the
signal. late: the longest wait between two samples beyond the usual one, in sample periods."""
_QUIET_RATIO = 0.25
_NOISE_GAIN = 0.3186 * 6**0.5
"""The lowest quarter of the absolute second differences of normal noise ends here, in its deviations."""
_CLIPPED_OFTEN = 3
_SHORTEST = 3
_LOG_FLOOR = 1e-9


class SignalCalibrator:
    """Collects one sensor's good recordings, of one kind of part."""

    def __init__(self, *, recordings_wanted: int = RECORDINGS_WANTED) -> None:
        if recordings_wanted < RECORDINGS_MIN:
            raise ValueError(f"a baseline needs at least {RECORDINGS_MIN} recordings, not {recordings_wanted}")
        self._recordings_wanted = recordings_wanted
        self._recordings: list[tuple[Samples, NDArray[np.float64] | None]] = []

    @property
    def is_complete(self) -> bool:
        return len(self._recordings) >= self._recordings_wanted

    def add(self, samples: Samples, times_s: NDArray[np.float64] | None = None) -> None:
        """samples: (channels, sample_count); missing ones are NaN. times_s: (sample_count,), if stamped."""
        if not self.is_complete:
            self._recordings.append((samples, times_s))

    def baseline(self) -> SignalBaseline:
        """Raises ValueError before `RECORDINGS_MIN` recordings."""
        if len(self._recordings) < RECORDINGS_MIN:
            raise ValueError(f"a baseline needs at least {RECORDINGS_MIN} recordings, not {len(self._recordings)}")
        centres, spreads = zip(*(_centre_and_spread(samples) for samples, _ in self._recordings), strict=True)
        zero_line, spread = np.nanmedian(centres, axis=0), np.nanmedian(spreads, axis=0)
        measured = [_measures(samples, times_s, zero_line, spread) for samples, times_s in self._recordings]
        return SignalBaseline(
            frame_count=len(measured),
            single=ranges_of(measured, _NARROWEST),
            zero_line=zero_line.tolist(),
            spread=spread.tolist(),
        )


class SignalWatch:
    """Tells from a sensor's baseline whether a recording can be judged. Keeps nothing between recordings."""

    def __init__(self, baseline: SignalBaseline) -> None:
        self._baseline = baseline
        self._zero_line = np.asarray(baseline.zero_line, np.float64)
        self._spread = np.asarray(baseline.spread, np.float64)

    def judge(self, samples: Samples, times_s: NDArray[np.float64] | None = None) -> QualityVerdict:
        """samples: (channels, sample_count) as at calibration; missing ones are NaN. Costs about 0.3 ms for 4096."""
        measured = _measures(samples, times_s, self._zero_line, self._spread)
        faults = faults_of(measured, self._baseline.single, words=_WORDS)
        return quality_verdict(faults, causes=_CAUSES, measures=measured)


def _measures(
    samples: Samples,
    times_s: NDArray[np.float64] | None,
    zero_line: NDArray[np.float64],
    spread: NDArray[np.float64],
) -> dict[str, float]:
    """By name, that of the worst channel."""
    values = np.asarray(samples, np.float64)
    if len(values) != len(zero_line):
        raise ValueError(f"{len(values)} channels; the baseline has {len(zero_line)}")
    present = np.isfinite(values)
    if not present.any(axis=1).all():
        return {"missing": 1.0}
    centre, _ = _centre_and_spread(values)
    drift = np.abs(centre - zero_line) / np.maximum(spread, _LOG_FLOOR)
    channels = [channel[is_here] for channel, is_here in zip(values, present, strict=True)]
    return {
        "noise": max(_noise(channel) for channel in channels),
        "saturated": max(_saturated(channel) for channel in channels),
        "still": max(_still(channel) for channel in channels),
        "drift": float(drift.max()),
        "missing": float(1 - present.mean(axis=1).min()),
        "late": _late(times_s),
    }


def _centre_and_spread(samples: Samples) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """By channel; a channel without any sample has neither."""
    values = np.where(np.isfinite(samples).any(axis=1, keepdims=True), samples, 0.0)
    return np.nanmedian(values, axis=1), np.nanstd(values, axis=1)


def _noise(channel: NDArray[np.float64]) -> float:
    """Logarithm of the noise's deviation.

    Second differences leave out what changes slowly, and their lowest quarter what only knocks now and then: a broken
    bearing is a defect, and no noise of the sensor.
    """
    if channel.size < _SHORTEST:
        return 0.0
    return float(np.log(np.quantile(np.abs(np.diff(channel, 2)), _QUIET_RATIO) / _NOISE_GAIN + _LOG_FLOOR))


def _saturated(channel: NDArray[np.float64]) -> float:
    """The share of samples that stand at the largest or the smallest value."""
    return float(((channel == channel.max()) | (channel == channel.min())).mean())


def _still(channel: NDArray[np.float64]) -> float:
    """The longest run of equal samples, as a share of all: a live sensor's last digit always moves."""
    is_clipped = _is_clipped(channel, channel.max()) | _is_clipped(channel, channel.min())
    is_equal = (np.diff(channel) == 0) & ~is_clipped[1:]
    return float(_run_lengths(is_equal).max(initial=0)) / channel.size


def _is_clipped(channel: NDArray[np.float64], end: float) -> NDArray[np.bool_]:
    """Which samples stand at this end of the range, when it is reached often; a cut wire gets there once."""
    at_end = np.asarray(channel == end)
    return at_end if _run_lengths(at_end).size >= _CLIPPED_OFTEN else np.zeros_like(at_end)


def _run_lengths(is_so: NDArray[np.bool_]) -> NDArray[np.intp]:
    edges = np.diff(np.concatenate(([0], is_so.astype(np.int8), [0])))
    return np.asarray(np.flatnonzero(edges == -1) - np.flatnonzero(edges == 1), np.intp)


def _late(times_s: NDArray[np.float64] | None) -> float:
    """The longest wait between two samples beyond the usual one, in usual ones; infinite when time runs backwards."""
    if times_s is None or len(times_s) < _SHORTEST:
        return 0.0
    waits_s = np.diff(times_s)
    usual_s = float(np.median(waits_s))
    if usual_s <= 0 or waits_s.min() < 0:
        return float("inf")
    return float(waits_s.max() / usual_s - 1)


def calibrated(recordings: Sequence[Samples]) -> SignalBaseline:
    """The baseline of these good recordings. Raises ValueError for too few."""
    calibrator = SignalCalibrator(recordings_wanted=max(RECORDINGS_MIN, len(recordings)))
    for samples in recordings:
        calibrator.add(samples)
    return calibrator.baseline()
