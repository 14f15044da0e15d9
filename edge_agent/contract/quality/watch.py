"""Tells from a camera's baseline whether a frame can be judged, and if not, what is wrong with it."""

from collections import deque

import numpy as np
from numpy.typing import NDArray

from edge_agent.contract.quality.baseline import flat_ratio
from edge_agent.contract.quality.frames import require_judgeable
from edge_agent.contract.quality.measures import LEVEL_TILES, Grid, Measures, measure, to_grey
from edge_agent.contract.quality.ranges import Fault, FaultWords, QualityVerdict, faults_of, quality_verdict
from edge_agent.contract.quality.windows import Scene, measure_several
from edge_agent.values import Pixels
from edge_agent.wire.quality import QualityBaseline
from edge_agent.wire.words import CannotJudge

_WORDS = FaultWords(
    too_low={"sharpness": CannotJudge.BLURRED, "white_level": CannotJudge.UNDEREXPOSED},
    too_high={
        "noise": CannotJudge.NOISY,
        "saturated": CannotJudge.OVEREXPOSED,
        "glare": CannotJudge.GLARE,
        "flat": CannotJudge.OCCLUDED,
        "strange": CannotJudge.OCCLUDED,
        "stuck": CannotJudge.OCCLUDED,
        "shift": CannotJudge.SHIFTED,
    },
)
_CAUSES = (
    CannotJudge.FROZEN,
    CannotJudge.UNDEREXPOSED,
    CannotJudge.GLARE,
    CannotJudge.OVEREXPOSED,
    CannotJudge.NOISY,
    CannotJudge.SHIFTED,
    CannotJudge.BLURRED,
    CannotJudge.OCCLUDED,
)
"""Whichever comes first here makes the later ones look worse too: a dark frame is soft, a shifted one strange."""


class QualityWatch:
    """One camera's frames in their order. One thread at a time."""

    def __init__(self, baseline: QualityBaseline, *, may_repeat: bool = False) -> None:
        """may_repeat: equal frames are no fault, as on a replay; a live sensor's noise never repeats.

        Raises ValueError for a baseline of other tiles than this version's.
        """
        self._baseline = baseline
        self._scene = _scene(baseline)
        self._may_repeat = may_repeat
        self._last: NDArray[np.uint8] | None = None
        self._recent: deque[Measures] = deque(maxlen=baseline.window_count)

    def judge(self, pixels: Pixels) -> QualityVerdict:
        """What is wrong with this frame, alone and after those before it. Raises BadImage for no picture at all."""
        require_judgeable(pixels)
        grey = to_grey(pixels)
        measures = measure(grey)
        is_repeated = self._last is not None and np.array_equal(grey, self._last)
        self._last = grey
        if not is_repeated:
            # A picture shown twice is one part: it must not look as if something stood before the lens.
            self._recent.append(measures)
        single = {**measures.single, "flat": flat_ratio(measures, self._baseline.flat_texture)}
        faults = faults_of(single, self._baseline.single, words=_WORDS)
        if len(self._recent) == self._baseline.window_count:
            several = measure_several(self._recent, self._scene)
            faults += faults_of(several, self._baseline.several, words=_WORDS)
        if is_repeated and not self._may_repeat:
            faults.append(Fault(reason=CannotJudge.FROZEN, measure="repeated", excess=1.0))
        return quality_verdict(faults, causes=_CAUSES, measures=single)


def _scene(baseline: QualityBaseline) -> Scene:
    return Scene(
        levels=_grid(baseline.tile_levels),
        spreads=_grid(baseline.tile_spreads),
        changes=_grid(baseline.tile_changes),
        rows=np.asarray(baseline.row_profile, np.float32),
        columns=np.asarray(baseline.column_profile, np.float32),
    )


def _grid(values: list[float]) -> Grid:
    grid: NDArray[np.float32] = np.asarray(values, np.float32)
    return grid.reshape(LEVEL_TILES, LEVEL_TILES)
