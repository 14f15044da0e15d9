from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from apps.accounts.models import User
from apps.accounts.rights import Permission
from apps.accounts.selectors import Scope, scope
from apps.core.errors import NotFound
from apps.devices.models import Device
from apps.devices.states import Admission
from apps.models.models import ModelVersion
from apps.rollouts.models import Desired, Rollout, Stage, Target
from apps.rollouts.policy import GateFacts, Plan
from apps.rollouts.states import (
    ROLLOUT_ACTIVE,
    TARGET_DONE,
    TARGET_FAILURES,
    TARGET_LEFT_OUT,
    TARGET_OPEN,
    RolloutState,
    TargetState,
    TimedOut,
)
from apps.telemetry.models import DeviceFacts
from apps.telemetry.selectors import model_facts

SITE = "device__line__site_id"


@dataclass(frozen=True, slots=True)
class Offer:
    """What a device should run, and under which limits it proves itself. `target_id` 0: no rollout says so."""

    target_id: int
    version: ModelVersion
    probation_items: int
    probation_s: float
    max_error_ratio: float
    max_p95_ms: float


@dataclass(frozen=True, slots=True)
class Place:
    """One device that a rollout may go to, or the sentence why it is left out."""

    device_id: UUID
    name: str
    line: str
    site_id: int
    site: str
    running_digest: str | None
    left_out: str


def offer_for(device_id: UUID | str) -> Offer | None:
    """What this device should run now; None: nobody decided, it keeps what it has."""
    rows = Desired.objects.select_related("version__model", "target__rollout")
    desired = rows.filter(device_id=device_id).exclude(version=None).first()
    if desired is None or desired.version is None:
        return None
    plan = Plan.from_json(desired.target.rollout.plan) if desired.target else Plan()
    return Offer(
        target_id=desired.target_id or 0,
        version=desired.version,
        probation_items=plan.probation_items,
        probation_s=plan.probation_s,
        max_error_ratio=plan.max_error_ratio,
        max_p95_ms=plan.max_p95_ms,
    )


def busy_devices(device_ids: Iterable[UUID], *, except_rollout_id: int = 0) -> dict[UUID, str]:
    """Which of these devices belong to a rollout that has not ended, and its name."""
    rows = Target.objects.filter(device_id__in=list(device_ids), rollout__state__in=ROLLOUT_ACTIVE)
    rows = rows.exclude(state__in=TARGET_LEFT_OUT).exclude(rollout_id=except_rollout_id)
    return dict(rows.values_list("device_id", "rollout__name"))


def places(user: User, version: ModelVersion | None) -> list[Place]:
    """Every device where this person may plan a rollout, by site and line, with the reason if it is left out."""
    rows = Device.objects.select_related("line__site").exclude(state=Admission.DECOMMISSIONED)
    held = scope(user, Permission.PLAN_ROLLOUT)
    devices = list(held.narrow(rows, "line__site_id").order_by("line__site__name", "line__name", "name"))
    ids = [device.pk for device in devices]
    running = dict(DeviceFacts.objects.filter(device_id__in=ids).values_list("device_id", "active_digest"))
    busy = busy_devices(ids)
    return [_place(device, running.get(device.pk), busy.get(device.pk, ""), version) for device in devices]


def _place(device: Device, running: str | None, busy_with: str, version: ModelVersion | None) -> Place:
    return Place(
        device_id=device.pk,
        name=device.name,
        line=device.line.name,
        site_id=device.line.site_id,
        site=device.line.site.name,
        running_digest=running,
        left_out=_why_left_out(device, running, busy_with, version),
    )


def _why_left_out(device: Device, running: str | None, busy_with: str, version: ModelVersion | None) -> str:
    if device.state != Admission.ENROLLED:
        return f"It is {Admission(device.state).label.lower()}, so it gets no orders."
    if busy_with:
        return f"It belongs to the rollout “{busy_with}”, which has not ended."
    if version is not None and running == version.digest:
        return "It runs this version already."
    return ""


def rollouts_seen_by(user: User) -> QuerySet[Rollout]:
    """The rollouts that touch a site where this person may see the fleet, newest first."""
    rows = Rollout.objects.select_related("version__model", "created_by", "decided_by")
    held = scope(user, Permission.SEE_FLEET)
    return rows.filter(pk__in=_at(held).values("rollout_id")).order_by("-id")


def rollout_seen_by(user: User, rollout_id: int) -> Rollout:
    """Raises NotFound for a rollout of other sites alone, as for one that does not exist."""
    rollout = rollouts_seen_by(user).filter(pk=rollout_id).first()
    if rollout is None:
        raise NotFound("There is no such rollout.")
    return rollout


def awaiting_approval(user: User) -> list[Rollout]:
    """What this person could approve now."""
    held = scope(user, Permission.APPROVE_ROLLOUT)
    rows = rollouts_seen_by(user).filter(state=RolloutState.AWAITING_APPROVAL, pk__in=_at(held).values("rollout_id"))
    return list(rows.exclude(authors=user))


def _at(held: Scope) -> QuerySet[Target]:
    return held.narrow(Target.objects.all(), SITE)


def gate_facts(rollout: Rollout, stage: Stage, now: datetime) -> GateFacts:
    """What this stage's devices show now: their states, and the items that the new version judged on them."""
    targets = list(stage.targets.all())
    ids = [target.device_id for target in targets]
    running = dict(DeviceFacts.objects.filter(device_id__in=ids).values_list("device_id", "active_digest"))
    counts = Counter(_counted_as(target, running.get(target.device_id) == rollout.version.digest) for target in targets)
    items = model_facts(device_ids=ids, digest=rollout.version.digest, since=stage.started_at or now)
    return GateFacts(
        target_count=len(targets) - counts["left_out"],
        done_count=counts["done"],
        open_count=counts["open"],
        failure_count=counts["failure"],
        unreachable_count=counts["unreachable"],
        item_count=items.item_count,
        error_count=items.error_count,
        late_count=items.late_count,
        cannot_judge_count=items.cannot_judge_count,
        soaked_s=_seconds_since(stage.soak_since, now),
        # A resume starts the wait afresh: a person looked at it.
        waited_s=_seconds_since(max(filter(None, (stage.started_at, rollout.state_since)), default=None), now),
    )


def _counted_as(target: Target, names_digest: bool) -> str:  # noqa: FBT001  a fact beside the row it belongs to
    if target.state in TARGET_LEFT_OUT:
        return "left_out"
    if target.state in TARGET_OPEN:
        return "open"
    if target.state in TARGET_DONE:
        return "done" if names_digest else "stray"
    if target.state == TargetState.TIMED_OUT and target.reason == TimedOut.UNREACHABLE:
        return "unreachable"
    return "failure" if target.state in TARGET_FAILURES else "stray"


def _seconds_since(moment: datetime | None, now: datetime) -> float:
    return max(0.0, (now - moment).total_seconds()) if moment else 0.0
