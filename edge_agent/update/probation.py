"""Whether a new version has proved itself on real items. Pure."""

import math
from dataclasses import dataclass, field
from enum import StrEnum

from edge_agent.values import ItemObservation
from edge_agent.wire.messages import ModelOffer


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

    def evidence(self) -> dict[str, float]:
        return {
            "item_count": float(self.item_count),
            "error_count": float(self.error_count),
            "p95_ms": round(self.p95_ms, 3),
            "elapsed_s": round(self.elapsed_s, 1),
        }


@dataclass
class ProbationWatch:
    """What was seen of a version since the switch, or since the agent's start."""

    begun_s: float
    error_count: int = 0
    times_ms: list[float] = field(default_factory=list)

    def add(self, observation: ItemObservation) -> None:
        self.error_count += observation.is_error
        self.times_ms.append(observation.total_ms)

    def facts(self, now_s: float) -> ProbationFacts:
        return ProbationFacts(
            item_count=len(self.times_ms),
            error_count=self.error_count,
            p95_ms=percentile_95(self.times_ms),
            elapsed_s=now_s - self.begun_s,
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
    return ProbationVerdict(Probation.PASS)


def percentile_95(values: list[float]) -> float:
    """The nearest-rank 95th percentile; 0 without values."""
    ordered = sorted(values)
    return ordered[math.ceil(0.95 * len(ordered)) - 1] if ordered else 0.0
