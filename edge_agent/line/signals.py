"""What a sensor gives, and two sources of it: recordings in CSV files, and a sensor made up from a seed."""

import csv
import io
import logging
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge_agent.clock import Clock
from edge_agent.line.camera import BadFrame, CameraFault, Part, PartNames

logger = logging.getLogger(__name__)

TIME_COLUMN = "time_s"
FILE_BYTES_MAX = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Recording:
    """One item as one sensor saw it.

    samples: (channels, sample_count) float64; a missing one is NaN. times_s: (sample_count,), when the sensor stamps.
    """

    samples: NDArray[np.float64]
    times_s: NDArray[np.float64] | None
    part: Part
    captured_ms: int


class Signal(Protocol):
    def record(self) -> Recording:
        """The recording of the part that passes now. Raises CameraFault, or BadFrame for a part without samples."""
        ...


class CsvSignal:
    """Shows the recordings of a folder, each as a part, in a seeded, endlessly reshuffled order.

    A file has a header, one column per channel and one row per sample; a column `time_s` holds the stamps. An empty
    field is a missing sample.
    """

    def __init__(self, folder: Path, *, seed: int, product: str, lot: str, clock: Clock) -> None:
        self._folder = folder
        self._random = random.Random(seed)  # noqa: S311  an order
        self._parts = PartNames(product, lot)
        self._clock = clock
        self._left: list[Path] = []

    def record(self) -> Recording:
        path = self._next_file()
        part = self._parts.next_part(source=path.name)
        try:
            samples, times_s = read_recording(path)
        except (OSError, ValueError) as exc:
            raise BadFrame(f"{path.name}: {exc}", part) from exc
        return Recording(samples, times_s, part, self._clock.wall_ms())

    def _next_file(self) -> Path:
        if not self._left:
            self._left = sorted(self._folder.glob("*.csv"))
            self._random.shuffle(self._left)
        if not self._left:
            raise CameraFault(f"no recording in {self._folder}")
        return self._left.pop()


@dataclass(frozen=True, slots=True)
class SimulatedSensor:
    """A rotating part: a tone at its speed and an overtone, in noise. spike_ratio: of the parts with a worn bearing."""

    rate_hz: float = 10_000.0
    sample_count: int = 2_000
    turn_hz: float = 50.0
    noise: float = 0.05
    spike_ratio: float = 0.1


class SimulatedSignal:
    """The same series for the same seed; `source` says which parts are worn."""

    def __init__(self, sensor: SimulatedSensor, *, seed: int, product: str, lot: str, clock: Clock) -> None:
        self._sensor = sensor
        self._rng = np.random.default_rng(seed)
        self._parts = PartNames(product, lot)
        self._clock = clock

    def record(self) -> Recording:
        sensor = self._sensor
        times_s = np.arange(sensor.sample_count) / sensor.rate_hz
        is_worn = bool(self._rng.random() < sensor.spike_ratio)
        part = self._parts.next_part(source="simulated-worn" if is_worn else "simulated-good")
        samples = self._tones(times_s) + (self._spikes(times_s) if is_worn else 0.0)
        return Recording(samples[np.newaxis], times_s, part, self._clock.wall_ms())

    def _tones(self, times_s: NDArray[np.float64]) -> NDArray[np.float64]:
        phase, turn = self._rng.uniform(0, 2 * np.pi), 2 * np.pi * self._sensor.turn_hz * times_s
        noise = self._rng.normal(0, self._sensor.noise, times_s.size)
        return np.asarray(np.sin(turn + phase) + 0.3 * np.sin(2 * turn + phase) + noise)

    def _spikes(self, times_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Each turn the worn place rings once, at 30 times the speed, and dies away within 2 ms."""
        since_s = times_s % (1 / self._sensor.turn_hz)
        ringing = np.sin(2 * np.pi * 30 * self._sensor.turn_hz * since_s)
        return np.asarray(1.5 * np.exp(-since_s / 0.0005) * ringing)


def read_recording(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """(samples, times_s) of one CSV file. Raises ValueError for what is no recording, OSError."""
    if path.stat().st_size > FILE_BYTES_MAX:
        raise ValueError(f"more than {FILE_BYTES_MAX} bytes")
    rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))
    if len(rows) < 2 or not rows[0]:
        raise ValueError("no samples")
    if any(len(row) != len(rows[0]) for row in rows):
        raise ValueError("rows of different lengths")
    columns = np.array([[float(field or "nan") for field in row] for row in rows[1:]], np.float64).T
    if TIME_COLUMN not in rows[0]:
        return columns, None
    at = rows[0].index(TIME_COLUMN)
    samples = np.delete(columns, at, axis=0)
    if not len(samples):
        raise ValueError("no channel")
    return samples, columns[at]
