"""What the rollout's pages show, computed from rows before a template sees it."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from apps.accounts.models import User
from apps.rollouts.models import GateEvaluation, Rollout, RolloutEvent, Stage, Target
from apps.rollouts.policy import (
    Candidate,
    GateLimits,
    Judgement,
    Plan,
    StageFacts,
    judge,
    refusal,
    staged,
    why_waiting,
)
from apps.rollouts.selectors import Place, gate_facts
from apps.rollouts.services.access import current_stage, verb_facts
from apps.rollouts.states import (
    ROLLOUT_ACTIVE,
    TARGET_DONE,
    TARGET_OPEN,
    RolloutState,
    StageState,
    TargetState,
    TimedOut,
    Verb,
)

EVENTS_SHOWN = 50
UNEXPLAINED = ("stopped it.", "rolled it back.")


@dataclass(frozen=True, slots=True)
class StageNow:
    stage: Stage
    target_count: int
    done_ratio: float
    counts: list[tuple[str, int]]
    """Target state and how many devices are in it, in the order of the life cycle."""

    @property
    def done_percent(self) -> float:
        return 100 * self.done_ratio

    @property
    def tone(self) -> str:
        return {StageState.FAILED: "now", StageState.SOAKING: "ask"}.get(StageState(self.stage.state), "")


@dataclass(frozen=True, slots=True)
class GateRow:
    """One rule of the gate: what was seen and what is allowed, both as people read them."""

    rule: str
    value: str
    limit: str
    is_met: bool


@dataclass(frozen=True, slots=True)
class GateNow:
    judgement: Judgement
    rows: list[GateRow]


@dataclass(frozen=True, slots=True)
class Button:
    """A verb as the page offers it. `why_not`: empty when it can be used."""

    verb: Verb
    why_not: str
    question: str
    effect: str
    is_danger: bool
    asks_reason: bool


@dataclass(frozen=True, slots=True)
class RolloutPage:
    rollout: Rollout
    plan: Plan
    sentence: str
    stages: list[StageNow]
    targets: list[Target]
    gate: GateNow | None
    last_gate: GateEvaluation | None
    """The newest judgement, to show while no gate is being judged."""
    events: list[RolloutEvent]
    buttons: list[Button]
    why_not_approve: str
    why_not_reject: str
    why_not_submit: str
    why_not_edit: str
    asks_reason: bool


def rollout_page(rollout: Rollout, user: User, now: datetime) -> RolloutPage:
    targets = list(
        rollout.targets.select_related("device__line__site", "stage").order_by("stage__number", "device__name")
    )
    gate = _gate(rollout, now)
    why_not = {verb: refusal(verb, verb_facts(rollout, verb, user)) for verb in Verb}
    return RolloutPage(
        rollout=rollout,
        plan=Plan.from_json(rollout.plan),
        sentence=_sentence(rollout, targets, gate),
        stages=_stages(rollout, targets),
        targets=targets,
        gate=gate,
        last_gate=None if gate else GateEvaluation.objects.filter(stage__rollout=rollout).order_by("-id").first(),
        events=list(rollout.events.select_related("by").order_by("-id")[:EVENTS_SHOWN]),
        buttons=_buttons(targets, why_not),
        why_not_approve=why_not[Verb.APPROVE],
        why_not_reject=why_not[Verb.REJECT],
        why_not_submit=why_not[Verb.SUBMIT],
        why_not_edit=why_not[Verb.EDIT],
        asks_reason=rollout.state in (RolloutState.STOPPED, RolloutState.RETURNING)
        and rollout.state_reason.endswith(UNEXPLAINED),
    )


def stages_preview(places: Iterable[Place], chosen: Iterable[object], plan: Plan) -> list[list[str]]:
    """The names of the devices of each stage, as the plan would deal them."""
    wanted = set(chosen)
    names = {str(place.device_id): place.name for place in places if place.device_id in wanted}
    candidates = [
        Candidate(str(place.device_id), place.site_id, (place.site_id, place.line))
        for place in places
        if place.device_id in wanted
    ]
    return [[names[member.device_id] for member in members] for members in staged(candidates, plan.shares)]


def _stages(rollout: Rollout, targets: list[Target]) -> list[StageNow]:
    return [_stage(stage, [one for one in targets if one.stage_id == stage.pk]) for stage in rollout.stages.all()]


def _stage(stage: Stage, targets: list[Target]) -> StageNow:
    counts = Counter(target.state for target in targets)
    done_count = sum(counts[state] for state in TARGET_DONE)
    ordered = [(state.value, counts[state]) for state in TargetState if counts[state]]
    return StageNow(stage, len(targets), done_count / len(targets) if targets else 0.0, ordered)


def _gate(rollout: Rollout, now: datetime) -> GateNow | None:
    """The judgement of this moment, by the same function that moves the rollout; None when no stage is running."""
    stage = current_stage(rollout)
    if stage is None or stage.started_at is None or rollout.state not in ROLLOUT_ACTIVE:
        return None
    facts = gate_facts(rollout, stage, now)
    judgement = judge(facts, GateLimits.of(Plan.from_json(rollout.plan)))
    return GateNow(judgement, _gate_rows(judgement))


def _gate_rows(judgement: Judgement) -> list[GateRow]:
    facts, limits = judgement.facts, judgement.limits
    return [
        _rate("Update failures", facts.failure_count, facts.target_count, limits.max_failure_ratio),
        _rate("Errors", facts.error_count, facts.item_count, limits.max_error_ratio),
        _rate("Late items", facts.late_count, facts.item_count, limits.max_late_ratio),
        _rate("Items without a verdict", facts.cannot_judge_count, facts.item_count, limits.max_cannot_judge_ratio),
        GateRow(
            "Items judged",
            f"{facts.item_count:,}",
            f"at least {limits.min_items:,}",
            facts.item_count >= limits.min_items,
        ),
        GateRow(
            "Soaked", f"{facts.soaked_s:.0f} s", f"at least {limits.soak_s:.0f} s", facts.soaked_s >= limits.soak_s
        ),
        GateRow(
            "Devices confirmed",
            f"{facts.done_count} of {facts.target_count}",
            f"all, {facts.unreachable_count} away",
            facts.open_count == 0 and facts.done_count > 0,
        ),
    ]


def _rate(rule: str, count: int, of: int, limit_ratio: float) -> GateRow:
    value = f"{count / of:.1%} ({count} of {of:,})" if of else "none yet"
    return GateRow(rule, value, f"at most {limit_ratio:.1%}", count <= limit_ratio * of)


def _sentence(rollout: Rollout, targets: list[Target], gate: GateNow | None) -> str:
    stage = current_stage(rollout)
    facts = None
    if stage is not None and stage.state != StageState.WAITING:
        mine = [target for target in targets if target.stage_id == stage.pk]
        facts = StageFacts(
            number=stage.number,
            stage_count=rollout.stages.count(),
            state=StageState(stage.state),
            target_count=len(mine),
            open_count=sum(target.state in TARGET_OPEN for target in mine),
            not_begun_count=sum(target.state == TargetState.OFFERED for target in mine),
            gate_reason=gate.judgement.reason if gate else "",
        )
    return why_waiting(RolloutState(rollout.state), rollout.state_reason, facts)


def _buttons(targets: list[Target], why_not: dict[Verb, str]) -> list[Button]:
    open_count = sum(target.state in TARGET_OPEN for target in targets)
    done_count = sum(target.state in TARGET_DONE for target in targets)
    away_count = sum(target.reason == TimedOut.UNREACHABLE for target in targets)
    says = {
        Verb.PAUSE: ("Pause this rollout?", "No further device begins; those that have begun finish."),
        Verb.RESUME: ("Resume this rollout?", f"{open_count} devices go on."),
        Verb.ADVANCE_NOW: ("Advance on your own word?", "The running stage passes whatever its gate says."),
        Verb.STOP: (
            "Stop this rollout?",
            f"{open_count + away_count} devices that have not confirmed go back; {done_count} keep the version.",
        ),
        Verb.ROLL_BACK: (
            "Roll back this rollout?",
            f"Affects {done_count + open_count} devices, {away_count} unreachable. Each returns to what it ran before.",
        ),
    }
    danger = (Verb.STOP, Verb.ROLL_BACK)
    # Stop and roll back act at once; why is asked afterwards.
    return [
        Button(verb, why_not[verb], *says[verb], is_danger=verb in danger, asks_reason=verb is Verb.ADVANCE_NOW)
        for verb in says
    ]
