"""What a person does with a rollout that was approved. Each verb acts at once and is on record."""

from datetime import datetime

from django.db import transaction

from apps.accounts.models import User
from apps.rollouts.models import Rollout
from apps.rollouts.services.access import current_stage, locked, require_verb
from apps.rollouts.services.moves import Cause, rollout_move, stage_move, write_down
from apps.rollouts.services.offers import hold_back, withdraw_open
from apps.rollouts.services.returning import return_begin
from apps.rollouts.states import RolloutState, StageState, Verb


@transaction.atomic
def rollout_pause(*, rollout_id: int, by: User, reason: str, now: datetime) -> Rollout:
    """No device begins any more; those that have begun finish, and their reports count."""
    rollout = _allowed(rollout_id, Verb.PAUSE, by)
    rollout_move(rollout, RolloutState.PAUSED, Cause("pause", now, by, reason or f"{by.username} paused it."))
    hold_back(rollout, now)
    return rollout


@transaction.atomic
def rollout_resume(*, rollout_id: int, by: User, reason: str, now: datetime) -> Rollout:
    rollout = _allowed(rollout_id, Verb.RESUME, by)
    rollout_move(rollout, RolloutState.RUNNING, Cause("resume", now, by, reason), next_look_at=now)
    return rollout


@transaction.atomic
def rollout_advance_now(*, rollout_id: int, by: User, reason: str, now: datetime) -> Rollout:
    """Pass the running stage on this person's word, whatever its gate says."""
    rollout = _allowed(rollout_id, Verb.ADVANCE_NOW, by)
    stage = current_stage(rollout)
    assert stage is not None  # require_verb refused that
    cause = Cause("advance_now", now, by, reason or f"{by.username} advanced it.", {"stage": stage.number})
    stage_move(stage, StageState.PASSED, ended_at=now)
    if rollout.state == RolloutState.PAUSED:
        rollout_move(rollout, RolloutState.RUNNING, cause, next_look_at=now)
    else:
        write_down(rollout, cause, f"Stage {stage.number} passed by a person")
        Rollout.objects.filter(pk=rollout.pk).update(next_look_at=now)
    return rollout


@transaction.atomic
def rollout_stop(*, rollout_id: int, by: User, reason: str, now: datetime) -> Rollout:
    """Nobody installs it from now on: devices that have not confirmed go back to what they ran."""
    rollout = _allowed(rollout_id, Verb.STOP, by)
    cause = Cause("stop", now, by, reason or f"{by.username} stopped it.")
    rollout_move(rollout, RolloutState.STOPPED, cause, ended_at=now, next_look_at=None)
    withdraw_open(rollout, now, reason="stopped")
    return rollout


@transaction.atomic
def rollout_roll_back(*, rollout_id: int, by: User, reason: str, now: datetime) -> Rollout:
    """Every device of the rollout returns to what it ran before."""
    rollout = _allowed(rollout_id, Verb.ROLL_BACK, by)
    return_begin(rollout, Cause("roll_back", now, by, reason or f"{by.username} rolled it back."))
    return rollout


@transaction.atomic
def rollout_reason_add(*, rollout_id: int, by: User, reason: str, now: datetime) -> Rollout:
    """Say afterwards why: stop and roll back act first and ask then."""
    rollout = locked(rollout_id)
    Rollout.objects.filter(pk=rollout.pk).update(state_reason=reason[:500])
    write_down(rollout, Cause("reason", now, by, reason), "Reason given")
    return rollout


def _allowed(rollout_id: int, verb: Verb, by: User) -> Rollout:
    rollout = locked(rollout_id)
    require_verb(rollout, verb, by)
    return rollout
