"""What each device should run: the `Desired` rows, set when a target is offered and taken back when it ends badly."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime

from django.db.models import Q

from apps.devices.models import Device
from apps.devices.states import Admission
from apps.models.models import ModelVersion
from apps.models.states import VersionState
from apps.rollouts.models import Desired, Rollout, Target
from apps.rollouts.services.moves import targets_move
from apps.rollouts.states import TARGET_ON_DEVICE, TARGET_OPEN, TargetState, TimedOut
from apps.telemetry.models import ControlRecord, DeviceFacts

HELD_BACK = "held_back"


def offer_pending(rollout: Rollout, stage_number: int, now: datetime) -> int:
    """Offer the version to every pending device up to this stage. Returns how many devices that were."""
    pending = list(rollout.targets.filter(state=TargetState.PENDING, stage__number__lte=stage_number))
    if not pending:
        return 0
    gone = _decommissioned(pending)
    targets_move([one for one in pending if one.device_id in gone], TargetState.WITHDRAWN, now, reason="decommissioned")
    _offer([one for one in pending if one.device_id not in gone], rollout, now)
    return len(pending)


def _offer(targets: list[Target], rollout: Rollout, now: datetime) -> None:
    running = running_digests(target.device_id for target in targets)
    digest, step_id = rollout.version.digest, _latest_step_id()
    _supersede(targets, rollout, now)
    for target in targets:
        # A device that was offered before, and held back, has its way back already.
        target.return_digest = target.return_digest or running.get(target.device_id)
        target.offered_at, target.last_step_id, target.reason = now, step_id, ""
    Target.objects.bulk_update(targets, ["return_digest", "offered_at", "last_step_id", "reason"])
    there = [target for target in targets if running.get(target.device_id) == digest]
    rest = [target for target in targets if running.get(target.device_id) != digest]
    targets_move(there, TargetState.ALREADY_THERE, now)
    targets_move(rest, TargetState.OFFERED, now)
    desire(targets, rollout.version_id, now)


def desire(targets: Iterable[Target], version_id: int | None, now: datetime) -> None:
    """From now on these targets' devices should run this version."""
    rows = [
        Desired(device_id=target.device_id, version_id=version_id, target=target, changed_at=now) for target in targets
    ]
    fields = ["version", "target", "changed_at"]
    Desired.objects.bulk_create(rows, update_conflicts=True, unique_fields=["device"], update_fields=fields)


def desire_again(rollout: Rollout, now: datetime) -> None:
    """Mend targets on their way whose offer was taken back meanwhile (a report that crossed a pause)."""
    under_way = rollout.targets.filter(state__in=[*TARGET_ON_DEVICE, TargetState.TIMED_OUT])
    right = Desired.objects.filter(target__rollout=rollout, version_id=rollout.version_id)
    newer = Desired.objects.filter(target__rollout_id__gt=rollout.pk)
    astray = under_way.exclude(device__in=right.values("device_id")).exclude(device__in=newer.values("device_id"))
    desire(list(astray), rollout.version_id, now)


def take_back(targets: Collection[Target], now: datetime) -> None:
    """These devices should run again what they ran before, unless a later rollout decided about them."""
    by_digest: dict[str | None, list[int]] = defaultdict(list)
    for target in targets:
        by_digest[target.return_digest].append(target.pk)
    offered = ModelVersion.objects.filter(digest__in=[d for d in by_digest if d], state=VersionState.PUBLISHED)
    version_ids = dict(offered.values_list("digest", "pk"))
    for digest, ids in by_digest.items():
        version_id = version_ids.get(digest or "")
        rows = Desired.objects.filter(target_id__in=ids).exclude(version_id=version_id)
        rows.update(version_id=version_id, changed_at=now)


def hold_back(rollout: Rollout, now: datetime) -> None:
    """Take back the offers that no device has begun to follow; they are pending again, and offered on resume."""
    not_begun = Q(state=TargetState.OFFERED) | Q(state=TargetState.TIMED_OUT, reason=TimedOut.UNREACHABLE)
    targets = list(rollout.targets.filter(not_begun))
    take_back(targets, now)
    targets_move(targets, TargetState.PENDING, now, reason=HELD_BACK)


def withdraw_open(rollout: Rollout, now: datetime, reason: str) -> None:
    """Nobody installs this any more: devices that did not finish go back to what they ran."""
    targets = list(rollout.targets.filter(state__in=[*TARGET_OPEN, TargetState.TIMED_OUT]))
    take_back(targets, now)
    targets_move(targets, TargetState.WITHDRAWN, now, reason=reason)


def running_digests(device_ids: Iterable[object]) -> dict[object, str | None]:
    """By device id, the digest that each device names as the one it runs."""
    rows = DeviceFacts.objects.filter(device_id__in=list(device_ids))
    return dict(rows.values_list("device_id", "active_digest"))


def _supersede(targets: Collection[Target], rollout: Rollout, now: datetime) -> None:
    """A late device of an ended rollout now follows this one."""
    open_states = [*TARGET_OPEN, TargetState.TIMED_OUT]
    others = Target.objects.filter(device__in=[one.device_id for one in targets], state__in=open_states)
    late = list(others.exclude(rollout=rollout))
    targets_move(late, TargetState.WITHDRAWN, now, reason=f"superseded by rollout {rollout.pk}")


def _decommissioned(targets: Collection[Target]) -> set[object]:
    gone = Device.objects.filter(pk__in=[one.device_id for one in targets], state=Admission.DECOMMISSIONED)
    return set(gone.values_list("pk", flat=True))


def _latest_step_id() -> int:
    """Steps about an offer are stored after it was made, so they all have higher ids than this."""
    return ControlRecord.objects.order_by("-id").values_list("id", flat=True).first() or 0
