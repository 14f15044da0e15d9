"""The one function per life cycle that moves it. Each move is compare-and-set, and leaves its reason behind."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from apps.accounts.models import User
from apps.core.doorbell import ring
from apps.core.errors import Conflict
from apps.core.moves import move, require_legal
from apps.core.services import audit
from apps.rollouts.events import RolloutChanged
from apps.rollouts.models import Rollout, RolloutEvent, Stage, Target
from apps.rollouts.states import (
    ROLLOUT_MOVES,
    STAGE_MOVES,
    TARGET_MOVES,
    RolloutState,
    StageState,
    TargetState,
)

SYSTEM_ACTOR = "system:rollouts"


@dataclass(frozen=True, slots=True)
class Cause:
    """Why something moves: who did it (None: the product itself), the verb, a sentence, and the figures behind it."""

    verb: str
    now: datetime
    by: User | None = None
    reason: str = ""
    evidence: Mapping[str, object] = field(default_factory=dict)


def rollout_move(rollout: Rollout, new: RolloutState, cause: Cause, **changes: object) -> None:
    """Move the rollout and write it in the diary and the audit. Raises Conflict if somebody moved it first."""
    old = RolloutState(rollout.state)
    changes |= {"state_reason": cause.reason[:500], "state_since": cause.now}
    if not move(Rollout, pk=rollout.pk, moves=ROLLOUT_MOVES, old=old, new=new, **changes):
        raise Conflict("Somebody else moved this rollout first; look at it again.")
    for name, value in {**changes, "state": new}.items():
        setattr(rollout, name, value)
    write_down(rollout, cause, f"{old.label.capitalize()} → {new.label.lower()}", {"from": str(old), "to": str(new)})


def write_down(rollout: Rollout, cause: Cause, what: str, detail: Mapping[str, object] | None = None) -> None:
    """A line in the rollout's diary, its audit row, and a ring."""
    text = f"{what}: {cause.reason}" if cause.reason else what
    RolloutEvent.objects.create(rollout=rollout, at=cause.now, text=text[:500], by=cause.by)
    audit(
        actor=f"user:{cause.by.username}" if cause.by else SYSTEM_ACTOR,
        verb=f"rollout_{cause.verb}",
        object=f"rollout:{rollout.pk}",
        detail={"reason": cause.reason, **cause.evidence, **(detail or {})},
        at=cause.now,
    )
    ring(RolloutChanged(rollout.pk))


def note(rollout: Rollout, now: datetime, text: str) -> None:
    """A line in the diary alone, for what devices do; the audit has what people and gates decide."""
    RolloutEvent.objects.create(rollout=rollout, at=now, text=text[:500])
    ring(RolloutChanged(rollout.pk))


def stage_move(stage: Stage, new: StageState, **changes: object) -> None:
    """Move the stage. Raises Conflict if it is no longer where the caller saw it."""
    if not move(Stage, pk=stage.pk, moves=STAGE_MOVES, old=stage.state, new=new, **changes):
        raise Conflict("Somebody else moved this stage first.")
    for name, value in {**changes, "state": new}.items():
        setattr(stage, name, value)
    ring(RolloutChanged(stage.rollout_id))


def target_move(target: Target, new: TargetState, now: datetime, **changes: object) -> None:
    """Move one device's target. Raises Conflict if it is no longer where the caller saw it."""
    changes |= {"changed_at": now}
    if not move(Target, pk=target.pk, moves=TARGET_MOVES, old=target.state, new=new, **changes):
        raise Conflict("Somebody else moved this device first.")
    for name, value in {**changes, "state": new}.items():
        setattr(target, name, value)
    ring(RolloutChanged(target.rollout_id))


def targets_move(targets: Collection[Target], new: TargetState, now: datetime, **changes: object) -> None:
    """Move many targets at once; the caller holds the rollout's row lock, so nobody else moves them."""
    for old in {target.state for target in targets}:
        require_legal(TARGET_MOVES, old, new)
        ids = [target.pk for target in targets if target.state == old]
        Target.objects.filter(pk__in=ids, state=old).update(state=new, changed_at=now, **changes)
    for target in targets:
        target.state = new
        ring(RolloutChanged(target.rollout_id))
