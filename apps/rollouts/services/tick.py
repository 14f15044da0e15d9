"""One step of a rollout's life, from facts alone.

Any worker may tick any rollout at any time, twice, or be killed in the middle: a tick holds the rollout's row lock,
does everything in one transaction, and begins by looking. What it did not get to, the next tick finds again.
"""

import logging
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from apps.core.leases import claim_due
from apps.models.states import VersionState
from apps.rollouts.models import GateEvaluation, Rollout, Stage
from apps.rollouts.policy import Act, GateLimits, Judgement, Plan, judge, next_act
from apps.rollouts.selectors import gate_facts
from apps.rollouts.services.access import current_stage
from apps.rollouts.services.moves import Cause, note, rollout_move, stage_move
from apps.rollouts.services.offers import desire_again, hold_back, offer_pending
from apps.rollouts.services.reports import reports_read, targets_time_out
from apps.rollouts.services.returning import return_begin, return_watch
from apps.rollouts.states import ROLLOUT_ACTIVE, TARGET_DONE, RolloutState, StageState, TargetState

logger = logging.getLogger(__name__)

LEASE_S = 30.0
LOOK_AGAIN_S = {
    RolloutState.SCHEDULED: 2.0,
    RolloutState.RUNNING: 2.0,
    RolloutState.RETURNING: 2.0,
    RolloutState.PAUSED: 10.0,
}
LATE_LOOK_S = 30.0
LATE_FOR = timedelta(days=30)
"""So long after its end a rollout still listens to devices that were away."""


def rollouts_tick_due(*, now: datetime) -> int:
    """Tick every rollout that is due, one claim at a time. Returns how many.

    A rollout that raises ends this turn; its lease keeps it away from the next ones, so it blocks no other.
    """
    count = 0
    while ids := claim_due(Rollout.objects.all(), now=now, lease_s=LEASE_S, limit=1):
        rollout_tick(rollout_id=ids[0], now=now)
        count += 1
    return count


def device_reported(*, device_id: UUID | str, now: datetime) -> None:
    """Sooner than the reconciler would: tick the rollouts that this device belongs to."""
    rows = Rollout.objects.filter(targets__device_id=device_id, state__in=ROLLOUT_ACTIVE)
    for rollout_id in rows.values_list("pk", flat=True).distinct():
        rollout_tick(rollout_id=rollout_id, now=now)


@transaction.atomic
def rollout_tick(*, rollout_id: int, now: datetime) -> bool:
    """Bring the rollout as far as the facts allow. False: somebody else is at it, or it does not exist."""
    rows = Rollout.objects.select_for_update(skip_locked=True, of=("self",)).select_related("version__model")
    rollout = rows.filter(pk=rollout_id).first()
    if rollout is None:
        return False
    _tick(rollout, Plan.from_json(rollout.plan), now)
    Rollout.objects.filter(pk=rollout_id).update(next_look_at=_next_look_at(rollout, now))
    return True


def _tick(rollout: Rollout, plan: Plan, now: datetime) -> None:
    if rollout.state == RolloutState.SCHEDULED:
        rollout_move(rollout, RolloutState.RUNNING, Cause("start", now), started_at=now)
    reports_read(rollout, now)
    if rollout.state == RolloutState.RETURNING:
        return_watch(rollout, plan, now)
    if rollout.state == RolloutState.RUNNING and _version_still_good(rollout, now):
        while _step(rollout, plan, now):
            pass


def _step(rollout: Rollout, plan: Plan, now: datetime) -> bool:
    """Take one step. True: something moved, look again at once. Ends, because stages only go forward within a tick."""
    stage = current_stage(rollout)
    if stage is None:
        _complete(rollout, now)
        return False
    if stage.state == StageState.WAITING:
        stage_move(stage, StageState.DEPLOYING, started_at=now)
        count = stage.targets.count()
        note(rollout, now, f"Stage {stage.number} begins with {count} device{'' if count == 1 else 's'}.")
    offer_pending(rollout, stage.number, now)
    desire_again(rollout, now)
    targets_time_out(rollout, plan, now)
    return _judge(rollout, stage, plan, now)


def _judge(rollout: Rollout, stage: Stage, plan: Plan, now: datetime) -> bool:
    facts = gate_facts(rollout, stage, now)
    if _soak_turn(stage, is_settled=facts.open_count == 0, now=now):
        facts = gate_facts(rollout, stage, now)
    judgement = judge(facts, GateLimits.of(plan))
    _keep(stage, judgement, now)
    act = next_act(judgement, plan.on_failure)
    if act is Act.ADVANCE:
        stage_move(stage, StageState.PASSED, ended_at=now)
        note(rollout, now, f"Stage {stage.number} passed. {judgement.reason}")
    elif act is not Act.WAIT:
        _stop_here(rollout, stage, act, judgement, now)
    return act is Act.ADVANCE


def _soak_turn(stage: Stage, *, is_settled: bool, now: datetime) -> bool:
    """The soak begins when every device has finished, and begins again when a late one joins the wave."""
    if is_settled and stage.state == StageState.DEPLOYING:
        stage_move(stage, StageState.SOAKING, soak_since=now)
        return True
    if not is_settled and stage.state == StageState.SOAKING:
        stage_move(stage, StageState.DEPLOYING, soak_since=None)
        return True
    return False


def _stop_here(rollout: Rollout, stage: Stage, act: Act, judgement: Judgement, now: datetime) -> None:
    """Nothing goes further by itself; the reason carries rule, value, limit and n."""
    evidence = {"rule": judgement.rule, "facts": judgement.facts_json(), "limits": judgement.limits_json()}
    if act is Act.HOLD:
        waited_s = judgement.limits.max_wait_s
        reason = f"Stage {stage.number} holds for a person after {waited_s:.0f} s of waiting. {judgement.reason}"
        _pause(rollout, Cause("hold", now, reason=reason, evidence=evidence))
        return
    stage_move(stage, StageState.FAILED, ended_at=now)
    cause = Cause("gate_fail", now, reason=f"Stage {stage.number} failed: {judgement.reason}", evidence=evidence)
    if act is Act.RETURN:
        return_begin(rollout, cause)
    else:
        _pause(rollout, cause)


def _pause(rollout: Rollout, cause: Cause) -> None:
    rollout_move(rollout, RolloutState.PAUSED, cause)
    hold_back(rollout, cause.now)


def _version_still_good(rollout: Rollout, now: datetime) -> bool:
    state = rollout.version.state
    if state == VersionState.PUBLISHED:
        return True
    reason = f"The version is {state}; only a published one goes further (rule version_withdrawn, n = 1)."
    _pause(rollout, Cause("hold", now, reason=reason, evidence={"rule": "version_withdrawn", "value": state}))
    return False


def _complete(rollout: Rollout, now: datetime) -> None:
    done = rollout.targets.filter(state__in=TARGET_DONE).count()
    late = rollout.targets.filter(state=TargetState.TIMED_OUT).count()
    reason = f"{done} of {rollout.targets.count()} devices run the version."
    if late:
        reason += f" {late} were away and get it when they are back."
    rollout_move(rollout, RolloutState.COMPLETED, Cause("complete", now, reason=reason), ended_at=now)


def _keep(stage: Stage, judgement: Judgement, now: datetime) -> None:
    """A judgement is kept when it says something new, not every two seconds."""
    last = stage.evaluations.order_by("-id").first()
    if last is not None and (last.verdict, last.rule) == (judgement.gate.value, judgement.rule):
        return
    GateEvaluation.objects.create(
        stage=stage,
        at=now,
        verdict=judgement.gate.value,
        rule=judgement.rule,
        reason=judgement.reason[:300],
        facts=judgement.facts_json(),
        limits=judgement.limits_json(),
    )


def _next_look_at(rollout: Rollout, now: datetime) -> datetime | None:
    state = RolloutState(rollout.state)
    if state in LOOK_AGAIN_S:
        return now + timedelta(seconds=LOOK_AGAIN_S[state])
    is_late = rollout.targets.filter(state=TargetState.TIMED_OUT).exists()
    if state == RolloutState.COMPLETED and is_late and now < (rollout.ended_at or now) + LATE_FOR:
        return now + timedelta(seconds=LATE_LOOK_S)
    return None
