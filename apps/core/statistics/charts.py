"""Control charts of shares and of rare events. Limits stand three standard errors from the centre (Shewhart 1931)."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt
from statistics import fmean
from typing import TypeVar

WIDTH_SIGMAS = 3.0
MOVING_RANGE_D2 = 1.128
"""What the mean range of two normal values is in standard deviations."""
SIGMA_Z_WARNING = 1.2
"""Above it the subgroups vary so much more than a binomial that plain limits call ordinary points unusual."""

Stage = TypeVar("Stage", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Subgroup:
    """`count` of `of` items, taken under the same conditions; `of` is at least 1."""

    count: int
    of: int

    @property
    def share_ratio(self) -> float:
        return self.count / self.of


@dataclass(frozen=True, slots=True)
class Limits:
    low: float
    high: float

    def hold(self, value: float) -> bool:
        """Whether the value lies within; a limit itself does."""
        return self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class ControlChart:
    """A centre line and, for each subgroup in its order, the limits that hold at its size."""

    center_ratio: float
    limits: tuple[Limits, ...]
    sigma_z: float | None
    """Variation between subgroups over what a binomial explains; None where that cannot be told."""


def p_chart(subgroups: Sequence[Subgroup]) -> ControlChart:
    """Plain limits p +/- 3 sqrt(p (1 - p) / n_i) within 0 to 1 (Montgomery, Statistical Quality Control, 7.2).

    Raises ValueError without any subgroup.
    """
    return _chart(subgroups, scale=1.0)


def laney_chart(subgroups: Sequence[Subgroup]) -> ControlChart:
    """Limits p +/- 3 s_i sigma_z: what subgroups differ by widens them (Laney 2002, Quality Engineering 14(4)).

    Where sigma_z cannot be told the limits are those of the plain chart. Raises ValueError without any subgroup.
    """
    measured = sigma_z(subgroups)
    return _chart(subgroups, scale=1.0 if measured is None else measured)


def sigma_z(subgroups: Sequence[Subgroup]) -> float | None:
    """The mean moving range of z_i = (p_i - p) / s_i over 1.128; about 1 where nothing but chance differs.

    None for fewer than two subgroups, and where all items or none are counted.
    """
    center = _center(subgroups)
    if len(subgroups) < 2 or center in (0.0, 1.0):
        return None
    scores = [(one.share_ratio - center) / _standard_error(center, one) for one in subgroups]
    return fmean(abs(after - before) for before, after in pairwise(scores)) / MOVING_RANGE_D2


def staged_charts(points: Sequence[tuple[Stage, Subgroup]]) -> dict[Stage, ControlChart]:
    """One Laney chart per stage, by first appearance: no stage's items move another's limits.

    A stage here is a model version: a change of the judge is no change of the process.
    """
    stages: dict[Stage, list[Subgroup]] = {}
    for stage, subgroup in points:
        stages.setdefault(stage, []).append(subgroup)
    return {stage: laney_chart(subgroups) for stage, subgroups in stages.items()}


def g_chart_limits(good_between: Sequence[int]) -> tuple[float, Limits]:
    """Centre and limits for the good items between two defects, where defects are too rare for shares.

    The counts are geometric, so the limits are g +/- 3 sqrt(g (g + 1)), at least 0 (Kaminsky et al. 1992, Journal of
    Quality Technology 24(2); Benneyan 2001, Health Care Management Science 4(4)). Above: fewer defects than before.
    Raises ValueError without any count.
    """
    if not good_between:
        raise ValueError("A chart needs at least one count.")
    center = fmean(good_between)
    reach = WIDTH_SIGMAS * sqrt(center * (center + 1.0))
    return center, Limits(max(0.0, center - reach), center + reach)


def _chart(subgroups: Sequence[Subgroup], *, scale: float) -> ControlChart:
    center = _center(subgroups)
    reaches = [WIDTH_SIGMAS * scale * _standard_error(center, one) for one in subgroups]
    limits = tuple(Limits(max(0.0, center - reach), min(1.0, center + reach)) for reach in reaches)
    return ControlChart(center, limits, sigma_z(subgroups))


def _center(subgroups: Sequence[Subgroup]) -> float:
    if not subgroups:
        raise ValueError("A chart needs at least one subgroup.")
    return sum(one.count for one in subgroups) / sum(one.of for one in subgroups)


def _standard_error(center: float, subgroup: Subgroup) -> float:
    return sqrt(center * (1.0 - center) / subgroup.of)
