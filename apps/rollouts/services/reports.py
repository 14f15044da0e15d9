"""What devices say of their update, and what their silence means. A device's word overrides the server's belief."""

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta

from apps.rollouts.models import Rollout, Target
from apps.rollouts.policy import Plan
from apps.rollouts.services.moves import note, target_move
from apps.rollouts.services.offers import running_digests, take_back
from apps.rollouts.states import TARGET_DONE, TARGET_MOVES, TARGET_ON_DEVICE, TargetState, TimedOut
from apps.telemetry.models import DeviceFacts
from apps.telemetry.selectors import UpdateStepFact, update_steps

logger = logging.getLogger(__name__)

LISTENING = (TargetState.PENDING, *TARGET_ON_DEVICE, TargetState.TIMED_OUT, TargetState.CONFIRMED)
SENT_BACK = frozenset({TargetState.ROLLED_BACK, TargetState.FAILED, TargetState.INCOMPATIBLE})
SILENT_SHARE = 0.5
"""Not heard of for this share of the time-out: the device is away, and says nothing against the version."""


def reports_read(rollout: Rollout, now: datetime) -> None:
    """Move each target to where its device says it is. Steps that were read once are not read again."""
    targets = list(rollout.targets.filter(state__in=LISTENING, offered_at__isnull=False).select_related("device"))
    if not targets:
        return
    running = running_digests(target.device_id for target in targets)
    for target, steps in _unread(targets):
        told = [fact for fact in steps if _is_about(fact, target, rollout)]
        if told and _is_unproved(told[-1], running.get(target.device_id), rollout.version.digest):
            told, steps = told[:-1], [fact for fact in steps if fact.id < told[-1].id]
        for fact in told:
            _follow(rollout, target, fact, now)
        _remember(target, steps)


def _unread(targets: list[Target]) -> Iterable[tuple[Target, list[UpdateStepFact]]]:
    since_id = min(target.last_step_id for target in targets)
    facts = update_steps(device_ids=[target.device_id for target in targets], since_id=since_id)
    for target in targets:
        mine = str(target.device_id)
        yield target, [fact for fact in facts if fact.device_id == mine and fact.id > target.last_step_id]


def _is_about(fact: UpdateStepFact, target: Target, rollout: Rollout) -> bool:
    return fact.step.target_id == target.pk and fact.step.version_digest == rollout.version.digest


def _is_unproved(fact: UpdateStepFact, running_digest: str | None, digest: str) -> bool:
    """Done counts only once the device also names the digest as the one it runs; until then the step stays unread."""
    return TargetState(fact.step.state) in TARGET_DONE and running_digest != digest


def _follow(rollout: Rollout, target: Target, fact: UpdateStepFact, now: datetime) -> None:
    new = _state_told(fact)
    if new == target.state:
        return
    if new not in TARGET_MOVES[target.state]:
        logger.info("step_ignored target=%s from=%s to=%s", target.pk, target.state, new)
        return
    done_at = now if new in TARGET_DONE else target.confirmed_at
    evidence = dict(fact.step.evidence)
    target_move(target, new, now, reason=fact.step.reason, evidence=evidence, confirmed_at=done_at)
    if new in SENT_BACK:
        take_back([target], now)
        note(rollout, now, f"{target.device.name}: {new.label.lower()}. {fact.step.reason}".strip())


def _state_told(fact: UpdateStepFact) -> TargetState:
    """A device that gave the offer up because it was taken back can be offered it again."""
    state = TargetState(fact.step.state)
    return TargetState.PENDING if state == TargetState.WITHDRAWN else state


def _remember(target: Target, steps: list[UpdateStepFact]) -> None:
    if steps:
        Target.objects.filter(pk=target.pk).update(last_step_id=steps[-1].id)


def targets_time_out(rollout: Rollout, plan: Plan, now: datetime) -> None:
    """Give up waiting for devices that stood on one step for too long; what they report later still counts."""
    standing = rollout.targets.filter(state__in=TARGET_ON_DEVICE).select_related("device")
    late = [target for target in standing if _stood_s(target, now) > _patience_s(target, plan)]
    seen = _last_seen(late)
    for target in late:
        last_seen_at = seen.get(target.device_id)
        is_away = last_seen_at is None or last_seen_at < now - timedelta(seconds=plan.offer_timeout_s * SILENT_SHARE)
        reason = TimedOut.UNREACHABLE if is_away else TimedOut.NO_PROGRESS
        note(rollout, now, f"{target.device.name}: timed out while {target.state}, {reason.label.lower()}.")
        target_move(target, TargetState.TIMED_OUT, now, reason=reason)


def _stood_s(target: Target, now: datetime) -> float:
    since = max(filter(None, (target.offered_at, target.changed_at)), default=now)
    return (now - since).total_seconds()


def _patience_s(target: Target, plan: Plan) -> float:
    return plan.offer_timeout_s + (plan.probation_s if target.state == TargetState.PROBATION else 0.0)


def _last_seen(targets: list[Target]) -> dict[object, datetime | None]:
    rows = DeviceFacts.objects.filter(device_id__in=[target.device_id for target in targets])
    return dict(rows.values_list("device_id", "last_seen_at"))
