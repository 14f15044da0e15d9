"""Learns from a camera's first good frames what is normal for it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_agent.contract.quality.frames import require_judgeable
from edge_agent.contract.quality.measures import Measures, measure, to_grey
from edge_agent.contract.quality.ranges import ranges_of
from edge_agent.contract.quality.windows import Scene, measure_several
from edge_agent.values import Pixels
from edge_agent.wire.quality import QualityBaseline

FRAMES_WANTED = 200
FRAMES_MIN = 30
"""With fewer, the spread of the measures is a guess."""
WINDOW_COUNT = 8
_RANDOM_WINDOWS = 300
_SEED = 5
_NARROWEST_SINGLE = {
    "sharpness": 0.2,
    "noise": 1.2,
    # A part may be five times darker than others: a dead solar cell is a defect. A dark camera stays dark, and the
    # narrower limit for several frames tells it.
    "white_level": 1.7,
    "saturated": 0.3,
    # Bright corners are common: a spot fills three quarters of one of the 64 tiles.
    "glare": 0.75,
    "flat": 0.1,
}
_NARROWEST_SEVERAL = {
    "sharpness": 0.15,
    "noise": 0.6,
    "white_level": 0.4,
    "saturated": 0.1,
    "glare": 0.2,
    "strange": 1.5,
    "stuck": 0.08,
    "shift": 1.5,
}
"""A limit is never nearer to the middle than this, however alike the good frames are.

sharpness, noise, white_level: natural logarithms. saturated, glare, flat, stuck: shares. shift: 64ths of the side.
strange: in spreads.
"""


class Calibrator:
    """Collects one camera's good frames, showing one kind of part. Keeps 2 kB of memory for each."""

    def __init__(self, *, frames_wanted: int = FRAMES_WANTED) -> None:
        if frames_wanted < FRAMES_MIN:
            raise ValueError(f"a baseline needs at least {FRAMES_MIN} frames, not {frames_wanted}")
        self._frames_wanted = frames_wanted
        self._frames: list[Measures] = []
        self._last: NDArray[np.uint8] | None = None

    @property
    def is_complete(self) -> bool:
        return len(self._frames) >= self._frames_wanted

    @property
    def frame_count(self) -> int:
        return len(self._frames)

    def add(self, pixels: Pixels) -> None:
        """Learn one frame; no more once it is complete. A frame equal to the one before teaches nothing.

        Raises BadImage for what shows nothing.
        """
        require_judgeable(pixels)
        if self.is_complete:
            return
        grey = to_grey(pixels)
        if self._last is None or not np.array_equal(grey, self._last):
            self._frames.append(measure(grey))
        self._last = grey

    def baseline(self) -> QualityBaseline:
        """Costs about 0.2 s: not for the line's own thread. Raises ValueError before `FRAMES_MIN` frames."""
        return baseline_of(self._frames)


def baseline_of(frames: Sequence[Measures]) -> QualityBaseline:
    """What these good frames have in common. The same frames give the same baseline. Raises ValueError for too few."""
    if len(frames) < FRAMES_MIN:
        raise ValueError(f"a baseline needs at least {FRAMES_MIN} frames, not {len(frames)}")
    scene = Scene.of(frames)
    flat_texture = _flat_texture(frames)
    single = [{**frame.single, "flat": flat_ratio(frame, flat_texture)} for frame in frames]
    several = [measure_several(window, scene) for window in _windows(frames)]
    return QualityBaseline(
        frame_count=len(frames),
        window_count=WINDOW_COUNT,
        single=ranges_of(single, _NARROWEST_SINGLE),
        several=ranges_of(several, _NARROWEST_SEVERAL),
        flat_texture=flat_texture,
        tile_levels=scene.levels.reshape(-1).tolist(),
        tile_spreads=scene.spreads.reshape(-1).tolist(),
        tile_changes=scene.changes.reshape(-1).tolist(),
        row_profile=scene.rows.tolist(),
        column_profile=scene.columns.tolist(),
    )


def flat_ratio(frame: Measures, flat_texture: float) -> float:
    return float((frame.texture < flat_texture).mean())


def _flat_texture(frames: Sequence[Measures]) -> float:
    """Below what nearly all tiles of good frames show."""
    texture = np.concatenate([frame.texture.reshape(-1) for frame in frames])
    least, middle = np.quantile(texture, (0.002, 0.5))
    return float(least - 0.15 * (middle - least))


def _windows(frames: Sequence[Measures]) -> list[list[Measures]]:
    """As they came, and at random: the next hours may bring the same parts in any order."""
    rng = np.random.default_rng(_SEED)
    in_order = [list(frames[n : n + WINDOW_COUNT]) for n in range(0, len(frames) - WINDOW_COUNT + 1, WINDOW_COUNT // 2)]
    picks = [rng.choice(len(frames), WINDOW_COUNT, replace=False) for _ in range(_RANDOM_WINDOWS)]
    return in_order + [[frames[n] for n in pick] for pick in picks]
