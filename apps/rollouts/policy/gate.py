"""The gate between two stages: pass, need more data, or fail, with the sentence that says why.

A lack of data never advances, and neither do figures that contradict each other.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum

from apps.rollouts.policy.plan import OnFailure, Plan
from apps.rollouts.states import Gate


@dataclass(frozen=True, slots=True)
class GateFacts:
    """What one stage's devices showed. Items are those judged with the new version since the stage began."""

    target_count: int
    """Devices the gate counts: not those left out as incompatible or withdrawn."""
    done_count: int
    """Confirmed, and naming the new version's digest as the one they run."""
    open_count: int
    failure_count: int
    unreachable_count: int
    item_count: int
    error_count: int
    late_count: int
    cannot_judge_count: int
    soaked_s: float
    waited_s: float


@dataclass(frozen=True, slots=True)
class GateLimits:
    max_failure_ratio: float
    max_error_ratio: float
    max_late_ratio: float
    max_cannot_judge_ratio: float
    min_items: int
    soak_s: float
    max_wait_s: float

    @staticmethod
    def of(plan: Plan) -> "GateLimits":
        return GateLimits(**{name: getattr(plan, name) for name in GateLimits.__slots__})


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict with its evidence: rule, value, limit and n, and the same as a sentence."""

    gate: Gate
    rule: str
    reason: str
    facts: GateFacts
    limits: GateLimits

    def facts_json(self) -> dict[str, float]:
        return asdict(self.facts)

    def limits_json(self) -> dict[str, float]:
        return asdict(self.limits)


class Act(StrEnum):
    """What follows from a judgement."""

    ADVANCE = "advance"
    WAIT = "wait"
    HOLD = "hold"
    PAUSE = "pause"
    RETURN = "return"


def judge(facts: GateFacts, limits: GateLimits) -> Judgement:
    """Failures first, then what is still missing; only a stage with neither passes."""
    if contradiction := _contradiction(facts):
        return Judgement(Gate.NEED_MORE_DATA, "facts_contradict", contradiction, facts, limits)
    for rule, reason in _failures(facts, limits):
        return Judgement(Gate.FAIL, rule, reason, facts, limits)
    for rule, reason in _missing(facts, limits):
        return Judgement(Gate.NEED_MORE_DATA, rule, reason, facts, limits)
    reason = (
        f"{facts.done_count} of {facts.target_count} devices confirmed, {facts.item_count} items judged "
        f"(at least {limits.min_items}), {facts.error_count} errors, soaked {facts.soaked_s:.0f} s "
        f"(at least {limits.soak_s:.0f} s)."
    )
    return Judgement(Gate.PASS, "all_rules", reason, facts, limits)


def next_act(judgement: Judgement, on_failure: OnFailure) -> Act:
    if judgement.gate is Gate.PASS:
        return Act.ADVANCE
    if judgement.gate is Gate.FAIL:
        return Act.RETURN if on_failure is OnFailure.RETURN else Act.PAUSE
    return Act.HOLD if judgement.facts.waited_s >= judgement.limits.max_wait_s else Act.WAIT


def _contradiction(facts: GateFacts) -> str:
    """Says how the figures contradict each other; empty when they do not. NaN compares false, so it contradicts."""
    counts = (facts.target_count, facts.done_count, facts.open_count, facts.failure_count, facts.unreachable_count)
    if not all(count >= 0 for count in (*counts, facts.item_count, facts.soaked_s, facts.waited_s)):
        return "A figure is negative or missing; nothing is decided on it."
    if not facts.done_count + facts.failure_count + facts.open_count + facts.unreachable_count <= facts.target_count:
        return "The devices' states add up to more devices than the stage has; nothing is decided on them."
    if not all(0 <= part <= facts.item_count for part in _parts(facts)):
        return "More errors, late or unjudged items than items; nothing is decided on them."
    return ""


def _parts(facts: GateFacts) -> tuple[int, int, int]:
    return facts.error_count, facts.late_count, facts.cannot_judge_count


def _failures(facts: GateFacts, limits: GateLimits) -> Iterator[tuple[str, str]]:
    if facts.target_count and facts.failure_count / facts.target_count > limits.max_failure_ratio:
        value = facts.failure_count / facts.target_count
        reason = _sentence("update failures", value, limits.max_failure_ratio, facts.target_count, "devices")
        yield "update_failures", reason
    rates = (("errors", limits.max_error_ratio), ("late", limits.max_late_ratio))
    rules = (*rates, ("cannot_judge", limits.max_cannot_judge_ratio))
    for (rule, limit), count in zip(rules, _parts(facts), strict=True):
        # Before the minimum is reached it fails only when no run of good items could save it any more.
        if count > limit * max(facts.item_count, limits.min_items):
            words = {"errors": "errors", "late": "late items", "cannot_judge": "items without a verdict"}[rule]
            yield rule, _sentence(words, count / facts.item_count, limit, facts.item_count, "items")


def _sentence(words: str, value: float, limit: float, n: int, unit: str) -> str:
    return f"{words.capitalize()} {value:.1%} above the limit of {limit:.1%} (n = {n} {unit})."


def _missing(facts: GateFacts, limits: GateLimits) -> Iterator[tuple[str, str]]:
    if facts.open_count:
        yield "devices_updating", f"{facts.open_count} of {facts.target_count} devices have not finished updating."
    if facts.done_count == 0:
        yield "nothing_confirmed", f"None of {facts.target_count} devices runs the new version and confirmed it."
    stray = facts.target_count - facts.done_count - facts.failure_count - facts.unreachable_count - facts.open_count
    if stray:
        yield "digest_differs", f"{stray} devices confirmed the version but no longer name it as the one they run."
    if facts.item_count < limits.min_items:
        yield "too_few_items", f"{facts.item_count} of at least {limits.min_items} items judged with the new version."
    if facts.soaked_s < limits.soak_s:
        yield "soaking", f"Soaked {facts.soaked_s:.0f} of {limits.soak_s:.0f} s."
