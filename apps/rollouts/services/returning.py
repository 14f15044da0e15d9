"""Going back: every device of the rollout returns to what it ran before, and says so itself."""

from datetime import datetime, timedelta

from apps.rollouts.models import Desired, Rollout, Target
from apps.rollouts.policy import Plan
from apps.rollouts.services.moves import Cause, rollout_move, targets_move
from apps.rollouts.services.offers import running_digests, take_back
from apps.rollouts.states import RolloutState, TargetState
from apps.telemetry.models import DeviceFacts

SETTLED = (TargetState.WITHDRAWN, TargetState.INCOMPATIBLE, TargetState.ROLLED_BACK, TargetState.FAILED)
RETURNED = "returned"
NOTHING_BEFORE = "it ran no model before and keeps this one"
SUPERSEDED = "a later rollout decides about it"
AWAY = "away; it goes back when it is heard again"
UNWILLING = "it did not report its previous version in time"


def return_begin(rollout: Rollout, cause: Cause) -> None:
    """Ask every device that was offered the version to run its previous one again."""
    rollout_move(rollout, RolloutState.RETURNING, cause, next_look_at=cause.now)
    offered = rollout.targets.exclude(state=TargetState.PENDING).exclude(state__in=SETTLED)
    take_back(list(offered), cause.now)
    never_offered = list(rollout.targets.filter(state=TargetState.PENDING))
    targets_move(never_offered, TargetState.WITHDRAWN, cause.now, reason=RETURNED)


def return_watch(rollout: Rollout, plan: Plan, now: datetime) -> None:
    """Settle each device that went back, or that nobody can wait for; with all settled the rollout is returned."""
    waiting = list(rollout.targets.exclude(state__in=SETTLED))
    reasons = _reasons(rollout, waiting, plan, now)
    for reason in set(reasons.values()):
        settled = [target for target in waiting if reasons.get(target.pk) == reason]
        targets_move(settled, TargetState.WITHDRAWN, now, reason=reason)
    if len(reasons) == len(waiting):
        rollout_move(rollout, RolloutState.RETURNED, Cause("returned", now, reason=_summary(rollout)), ended_at=now)


def _reasons(rollout: Rollout, waiting: list[Target], plan: Plan, now: datetime) -> dict[int, str]:
    """By target, why it need not be waited for any more."""
    ids = [target.device_id for target in waiting]
    running, seen = (
        running_digests(ids),
        dict(DeviceFacts.objects.filter(device_id__in=ids).values_list("device_id", "last_seen_at")),
    )
    mine = set(Desired.objects.filter(target__in=waiting).values_list("target_id", flat=True))
    waited_s = (now - rollout.state_since).total_seconds()
    silent_since = now - timedelta(seconds=plan.offer_timeout_s)
    reasons = {}
    for target in waiting:
        last_seen_at = seen.get(target.device_id)
        if target.pk not in mine:
            reasons[target.pk] = SUPERSEDED
        elif target.return_digest is None:
            reasons[target.pk] = NOTHING_BEFORE
        elif running.get(target.device_id) == target.return_digest:
            reasons[target.pk] = RETURNED
        elif waited_s > plan.offer_timeout_s and (last_seen_at is None or last_seen_at < silent_since):
            reasons[target.pk] = AWAY
        elif waited_s > plan.max_wait_s:
            reasons[target.pk] = UNWILLING
    return reasons


def _summary(rollout: Rollout) -> str:
    withdrawn = rollout.targets.filter(state=TargetState.WITHDRAWN)
    back = withdrawn.filter(reason=RETURNED).count()
    others = withdrawn.filter(reason__in=[NOTHING_BEFORE, AWAY, UNWILLING]).count()
    more = f" {others} did not; see each device's reason." if others else ""
    return f"{back} devices went back or never left.{more}"
