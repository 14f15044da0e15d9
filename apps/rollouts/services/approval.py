"""Four eyes: somebody who wrote none of it decides on exactly what was submitted."""

from datetime import datetime

from django.db import connection, transaction

from apps.accounts.models import User
from apps.core.errors import Conflict
from apps.rollouts.models import Rollout
from apps.rollouts.selectors import busy_devices
from apps.rollouts.services.access import locked, require_verb
from apps.rollouts.services.authoring import content_hash as hash_now
from apps.rollouts.services.moves import Cause, rollout_move
from apps.rollouts.states import RolloutState, Verb

APPROVAL_LOCK = 0x524F4C4C
"""Advisory lock: two approvals at once must not give one device to two rollouts."""


@transaction.atomic
def rollout_approve(*, rollout_id: int, by: User, content_hash: str, comment: str, now: datetime) -> Rollout:
    """Schedule the rollout. `content_hash` names what the approver saw; anything else is refused as changed.

    Raises Forbidden for an author, Conflict when the content changed or a device is in another active rollout.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [APPROVAL_LOCK])
    rollout = locked(rollout_id)
    require_verb(rollout, Verb.APPROVE, by)
    if not content_hash == rollout.content_hash == hash_now(rollout):
        raise Conflict("The rollout is no longer what you saw; read it again.", code="content_changed")
    _require_free_devices(rollout)
    changes = _decision(by, comment, now) | {"next_look_at": now}
    cause = Cause("approve", now, by, comment, {"content_hash": content_hash})
    rollout_move(rollout, RolloutState.SCHEDULED, cause, **changes)
    return rollout


@transaction.atomic
def rollout_reject(*, rollout_id: int, by: User, comment: str, now: datetime) -> Rollout:
    rollout = locked(rollout_id)
    require_verb(rollout, Verb.REJECT, by)
    rollout_move(
        rollout, RolloutState.REJECTED, Cause("reject", now, by, comment), ended_at=now, **_decision(by, comment, now)
    )
    return rollout


def _decision(by: User, comment: str, now: datetime) -> dict[str, object]:
    return {"decided_by": by, "decided_at": now, "decision_comment": comment[:500]}


def _require_free_devices(rollout: Rollout) -> None:
    busy = busy_devices(rollout.targets.values_list("device_id", flat=True))
    if busy:
        device_id, other = next(iter(busy.items()))
        raise Conflict(
            f"{len(busy)} devices are in another rollout that has not ended (“{other}”).",
            code="devices_busy",
            fields={"device_id": str(device_id)},
        )
