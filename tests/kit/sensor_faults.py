"""A made-up vibration sensor, good parts and broken ones, and what goes wrong with sensors at one stated strength."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from edge_agent.wire.words import CannotJudge

Samples = NDArray[np.float32]
RATE_HZ = 4096.0
SAMPLE_COUNT = 2048
_STEP = 0.001
"""The sensor's last digit."""


def recording(rng: np.random.Generator, *, is_broken: bool = False) -> Samples:
    """(1, SAMPLE_COUNT): a turning machine; a broken bearing knocks 40 to 90 times a second."""
    at_s = np.arange(SAMPLE_COUNT) / RATE_HZ
    turn_hz = rng.uniform(24, 26)
    values = 0.2 + sum(
        rng.uniform(0.8, 1.2) / order * np.sin(2 * np.pi * order * turn_hz * at_s + rng.uniform(0, 6.3))
        for order in (1, 2, 3)
    )
    values += rng.normal(0, 0.03, SAMPLE_COUNT)
    if is_broken:
        since_s = (at_s + rng.uniform(0, 1)) % (1 / rng.uniform(40, 90))
        values += rng.uniform(1, 2) * np.exp(-since_s * 600) * np.sin(2 * np.pi * 900 * since_s)
    return digitized(values)


def digitized(values: NDArray[np.float64]) -> Samples:
    return (np.round(values / _STEP) * _STEP).astype(np.float32)[np.newaxis]


def noisy(samples: Samples, rng: np.random.Generator) -> Samples:
    """Ten times the noise."""
    return digitized(samples[0] + rng.normal(0, 0.3, SAMPLE_COUNT))


def saturated(samples: Samples, rng: np.random.Generator) -> Samples:
    """Gain too high: clipped at 60 % of the largest value, on one side."""
    return np.minimum(samples, np.float32(0.6 * samples.max()))


def dropped_out(samples: Samples, rng: np.random.Generator) -> Samples:
    """A loose wire: the value stands still for a tenth of the time."""
    still = samples.copy()
    start = rng.integers(0, SAMPLE_COUNT * 9 // 10)
    still[:, start : start + SAMPLE_COUNT // 10] = still[:, start : start + 1]
    return still


def drifted(samples: Samples, rng: np.random.Generator) -> Samples:
    """The zero line lies one and a half standard deviations off."""
    return digitized(samples[0] + rng.choice([-1.5, 1.5]) * samples[0].std())


def with_gap(samples: Samples, rng: np.random.Generator) -> Samples:
    """1 % of the samples never came."""
    gappy = samples.copy()
    start = rng.integers(0, SAMPLE_COUNT * 98 // 100)
    gappy[:, start : start + SAMPLE_COUNT // 100] = np.nan
    return gappy


SENSOR_FAULTS: dict[str, tuple[CannotJudge, Callable[[Samples, np.random.Generator], Samples]]] = {
    "noise": (CannotJudge.SIGNAL_NOISY, noisy),
    "saturation": (CannotJudge.SIGNAL_SATURATED, saturated),
    "dropout": (CannotJudge.SIGNAL_DROPOUT, dropped_out),
    "drift": (CannotJudge.SIGNAL_DRIFT, drifted),
    "gap": (CannotJudge.SIGNAL_GAP, with_gap),
}
