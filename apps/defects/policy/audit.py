"""How often the model was wrong, as far as reviewed images can tell. Pure.

Only the random samples speak for items that nobody looked at: an image kept for doubt, by request or for its class was
chosen for what it is. A sample stands for 1 / selection_ratio items (Horvitz and Thompson 1952). It is drawn from what
was not kept for another reason, so the rates are those of the items that the model judged without doubt.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from apps.core.statistics import effective_size, exact_interval, upper_bound

PASSED, REJECTED = "ok", "defect"
"""Verdicts. An item that could not be judged was neither passed nor rejected."""


@dataclass(frozen=True, slots=True)
class AuditCell:
    """Reviewed items that are alike: what the model said, what a person said, and how they were chosen."""

    verdict: str
    is_defective: bool
    is_random: bool
    count: int
    weight_sum: float
    weight_square_sum: float


@dataclass(frozen=True, slots=True)
class WeightedShare:
    """A rate among audited items, weighted to all that they stand for.

    bound_ratio: with 95 % confidence the rate is at most this (one-sided); low and high are the two-sided interval.
    Both are Clopper-Pearson's at the sample's effective size.
    """

    count: int
    of: int
    share_ratio: float | None
    low_ratio: float
    high_ratio: float
    bound_ratio: float


@dataclass(frozen=True, slots=True)
class AuditFigures:
    escape: WeightedShare
    """Defective items among the passed ones."""
    miss: WeightedShare
    """Passed items among the defective ones."""
    overkill: WeightedShare
    """Rejected items among the good ones."""
    doubtful_passed_count: int
    doubtful_escape_count: int
    """Reviewed passes that were not random samples, and how many of them were defective: counts, never a rate."""


def audit_figures(cells: Iterable[AuditCell]) -> AuditFigures:
    cells = [one for one in cells if one.verdict in (PASSED, REJECTED)]
    samples = [one for one in cells if one.is_random]
    doubtful = [one for one in cells if not one.is_random and one.verdict == PASSED]
    return AuditFigures(
        escape=_share([one for one in samples if one.verdict == PASSED], lambda one: one.is_defective),
        miss=_share([one for one in samples if one.is_defective], lambda one: one.verdict == PASSED),
        overkill=_share([one for one in samples if not one.is_defective], lambda one: one.verdict == REJECTED),
        doubtful_passed_count=sum(one.count for one in doubtful),
        doubtful_escape_count=sum(one.count for one in doubtful if one.is_defective),
    )


def _share(cells: list[AuditCell], is_found: Callable[[AuditCell], bool]) -> WeightedShare:
    found = [one for one in cells if is_found(one)]
    weight = sum(one.weight_sum for one in cells)
    share = sum(one.weight_sum for one in found) / weight if weight else None
    size = effective_size(weight, sum(one.weight_square_sum for one in cells))
    hits = (share or 0.0) * size
    low, high = exact_interval(hits, size)
    return WeightedShare(
        count=sum(one.count for one in found),
        of=sum(one.count for one in cells),
        share_ratio=share,
        low_ratio=low,
        high_ratio=high,
        bound_ratio=upper_bound(hits, size),
    )
