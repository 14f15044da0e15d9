"""Whether a new version has proved itself on real items. Pure."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

from edge_agent.values import ItemObservation
from edge_agent.wire.messages import ModelOffer
from edge_agent.wire.words import Verdict

BASELINE_ITEMS_MIN = 30
"""Fewer items of the version before say too little about its output."""
_CHANCE_Z = 2.33
"""A shift counts as far as chance explains it in at most 1 of 100 cases."""


class OutputShares(msgspec.Struct, frozen=True, kw_only=True):
    """What a version said of the items it saw."""

    item_count: int = 0
    defect_count: int = 0
    cannot_judge_count: int = 0


NOTHING_SEEN = OutputShares()


class Probation(StrEnum):
    NEED_MORE_DATA = "need_more_data"
    PASS = "pass"  # noqa: S105  a verdict, not a password
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class ProbationFacts:
    """p95_ms: of the whole way from trigger to verdict. elapsed_s: since the switch, or since the agent's start."""

    item_count: int
    error_count: int
    p95_ms: float
    elapsed_s: float
    shares: OutputShares = NOTHING_SEEN
    before: OutputShares = NOTHING_SEEN

    def evidence(self) -> dict[str, float]:
        return {
            "item_count": float(self.item_count),
            "error_count": float(self.error_count),
            "p95_ms": round(self.p95_ms, 3),
            "elapsed_s": round(self.elapsed_s, 1),
            "defect_count": float(self.shares.defect_count),
            "cannot_judge_count": float(self.shares.cannot_judge_count),
            "item_count_before": float(self.before.item_count),
            "defect_count_before": float(self.before.defect_count),
            "cannot_judge_count_before": float(self.before.cannot_judge_count),
        }


@dataclass
class ProbationWatch:
    """What was seen of a version since the switch, or since the agent's start."""

    begun_s: float
    before: OutputShares = NOTHING_SEEN
    error_count: int = 0
    verdicts: list[Verdict] = field(default_factory=list)
    times_ms: list[float] = field(default_factory=list)

    def add(self, observation: ItemObservation) -> None:
        self.error_count += observation.is_error
        self.times_ms.append(observation.total_ms)
        self.verdicts.append(observation.verdict)

    def facts(self, now_s: float) -> ProbationFacts:
        return ProbationFacts(
            item_count=len(self.times_ms),
            error_count=self.error_count,
            p95_ms=percentile_95(self.times_ms),
            elapsed_s=now_s - self.begun_s,
            shares=shares_of(self.verdicts),
            before=self.before,
        )


@dataclass(frozen=True, slots=True)
class ProbationVerdict:
    state: Probation
    reason: str = ""


def judge_probation(facts: ProbationFacts, offer: ModelOffer) -> ProbationVerdict:
    """Pass or fail once enough items were seen, or time is up and at least one was.

    Fails before that as soon as the errors exceed what all of the items together may have. Never passes on no item
    at all: a line that stands still proves nothing.
    """
    if facts.error_count > offer.max_error_ratio * max(facts.item_count, offer.probation_items):
        return ProbationVerdict(Probation.FAIL, "probation_errors")
    is_over = facts.item_count >= offer.probation_items or facts.elapsed_s >= offer.probation_s
    if not is_over or facts.item_count == 0:
        return ProbationVerdict(Probation.NEED_MORE_DATA)
    if facts.error_count > offer.max_error_ratio * facts.item_count:
        return ProbationVerdict(Probation.FAIL, "probation_errors")
    if facts.p95_ms > offer.max_p95_ms:
        return ProbationVerdict(Probation.FAIL, "probation_slow")
    if _has_shifted(facts, offer):
        return ProbationVerdict(Probation.FAIL, "probation_distribution")
    return ProbationVerdict(Probation.PASS)


def _has_shifted(facts: ProbationFacts, offer: ModelOffer) -> bool:
    """Other shares of defects or of items without a verdict than the version before, beyond limit and chance."""
    now, before = facts.shares, facts.before
    if min(now.item_count, before.item_count) < BASELINE_ITEMS_MIN:
        return False
    pairs = (
        (now.defect_count, before.defect_count, offer.max_defect_shift_ratio),
        (now.cannot_judge_count, before.cannot_judge_count, offer.max_cannot_judge_shift_ratio),
    )
    counts = (now.item_count, before.item_count)
    return any(limit is not None and sure_shift_ratio((new, old), counts) > limit for new, old, limit in pairs)


def sure_shift_ratio(hits: tuple[int, int], counts: tuple[int, int]) -> float:
    """How far two shares differ at least, chance aside; 0 when chance explains all of it.

    A two-sample score interval with one hit and two trials added to each side: Agresti, Caffo, The American
    Statistician 54(4), 2000.
    """
    first, second = ((hit + 1) / (count + 2) for hit, count in zip(hits, counts, strict=True))
    variance = first * (1 - first) / (counts[0] + 2) + second * (1 - second) / (counts[1] + 2)
    return max(0.0, abs(first - second) - _CHANCE_Z * math.sqrt(variance))


def shares_of(verdicts: Iterable[Verdict]) -> OutputShares:
    counted = list(verdicts)
    return OutputShares(
        item_count=len(counted),
        defect_count=counted.count(Verdict.DEFECT),
        cannot_judge_count=counted.count(Verdict.CANNOT_JUDGE),
    )


def percentile_95(values: list[float]) -> float:
    """The nearest-rank 95th percentile; 0 without values."""
    ordered = sorted(values)
    return ordered[math.ceil(0.95 * len(ordered)) - 1] if ordered else 0.0
