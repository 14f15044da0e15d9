"""Limits from good values, and the faults of what lies beyond them. The same for cameras and sensors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_agent.wire.quality import Range
from edge_agent.wire.words import CannotJudge

_MARGIN = 0.3
"""How much further than the outermost good value a limit lies, as a share of that value's distance from the middle."""
_OUTLIER_SPREADS = 8.0
"""A value this far out is of no good frame, but of one that strayed into the calibration; it sets no limit."""
_OUTLIER_NARROWEST = 2.0
"""Likewise, in the least distances that a limit may have."""
_SPREAD_RATIO = 0.68
"""Of the distances to one side: one standard deviation, if they are normal."""


@dataclass(frozen=True, slots=True)
class Fault:
    """excess: how far beyond its limit, as a share of the limit's distance from the middle; 0 is just beyond."""

    reason: CannotJudge
    measure: str
    excess: float


@dataclass(frozen=True, slots=True)
class QualityVerdict:
    """worst: the fault that best explains the others; None: it can be judged. faults: all of them, worst first."""

    worst: Fault | None
    faults: tuple[Fault, ...]
    measures: dict[str, float]


@dataclass(frozen=True, slots=True)
class FaultWords:
    """By measure, what it means to lie beyond a limit."""

    too_low: Mapping[str, CannotJudge]
    too_high: Mapping[str, CannotJudge]


def faults_of(measured: Mapping[str, float], ranges: Mapping[str, Range], *, words: FaultWords) -> list[Fault]:
    """A measure that the baseline does not know is passed over: it was learned by an older version."""
    found = []
    for name, known in ranges.items():
        value = measured.get(name, known.middle)
        if name in words.too_low and value < known.low:
            excess = (known.low - value) / (known.middle - known.low)
            found.append(Fault(reason=words.too_low[name], measure=name, excess=excess))
        if name in words.too_high and value > known.high:
            excess = (value - known.high) / (known.high - known.middle)
            found.append(Fault(reason=words.too_high[name], measure=name, excess=excess))
    return found


def quality_verdict(
    faults: Sequence[Fault], *, causes: Sequence[CannotJudge], measures: dict[str, float]
) -> QualityVerdict:
    """causes: whichever comes first in it makes the later ones look worse too."""
    ordered = tuple(sorted(faults, key=lambda fault: (causes.index(fault.reason), -fault.excess)))
    return QualityVerdict(worst=ordered[0] if ordered else None, faults=ordered, measures=measures)


def ranges_of(rows: Sequence[dict[str, float]], narrowest: dict[str, float]) -> dict[str, Range]:
    """narrowest: by measure, how near to the middle a limit may lie."""
    return {name: _range(np.array([row[name] for row in rows]), least) for name, least in narrowest.items()}


def _range(values: NDArray[np.float64], narrowest: float) -> Range:
    middle = float(np.median(values))
    below, above = (_distance(side, narrowest) for side in (middle - values, values - middle))
    return Range(
        middle=middle,
        low=middle - max(narrowest, (1 + _MARGIN) * below),
        high=middle + max(narrowest, (1 + _MARGIN) * above),
    )


def _distance(distances: NDArray[np.float64], narrowest: float) -> float:
    """How far good frames go to one side; single outliers left out. distances: negative on the other side."""
    own = distances[distances >= 0]
    spread = float(np.quantile(own, _SPREAD_RATIO)) if own.size else 0.0
    # Most good frames may have no glare at all, and the rest some: with hardly any spread none of them is an outlier.
    inliers = own[own <= max(_OUTLIER_SPREADS * spread, _OUTLIER_NARROWEST * narrowest)]
    return float(inliers.max(initial=0.0))
