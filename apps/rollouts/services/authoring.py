"""Drafts: written by somebody, frozen by submitting, and void again with every edit."""

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

from apps.accounts.models import User
from apps.accounts.rights import Permission
from apps.accounts.services import require
from apps.core.errors import Wrong
from apps.devices.models import Device
from apps.models.models import ModelVersion
from apps.models.states import VersionState
from apps.rollouts.models import Rollout, Stage, Target
from apps.rollouts.policy import Candidate, Plan, plan_faults, staged
from apps.rollouts.services.access import locked, require_verb
from apps.rollouts.services.moves import Cause, rollout_move, write_down
from apps.rollouts.states import RolloutState, Verb


@dataclass(frozen=True, slots=True)
class Content:
    """What a person decides in a rollout: what, where and how."""

    version_id: int
    name: str
    device_ids: tuple[UUID, ...]
    plan: Plan


@transaction.atomic
def rollout_create(  # noqa: PLR0913  the four things that a rollout says, who says it, and when
    *,
    version_id: int,
    name: str,
    device_ids: Collection[UUID],
    plan: Plan,
    by: User,
    now: datetime,
    is_demo: bool = False,
) -> Rollout:  # fmt: skip
    """A draft with its stages planned and its devices frozen. Raises Wrong with a sentence per field."""
    content = Content(version_id, name.strip(), tuple(device_ids), plan)
    devices = _require_valid(content, by)
    rollout = Rollout.objects.create(
        version_id=version_id, name=content.name, plan=plan.as_json(), created_by=by, is_demo=is_demo, state_since=now
    )
    rollout.authors.add(by)
    _plan_stages(rollout, devices, plan)
    write_down(rollout, Cause("create", now, by), f"Drafted for {len(devices)} devices")
    return rollout


@transaction.atomic
def rollout_edit(*, rollout_id: int, content: Content, by: User, now: datetime) -> Rollout:
    """Replace what the rollout says. Whoever edits becomes an author, and a submission is void."""
    rollout = locked(rollout_id)
    require_verb(rollout, Verb.EDIT, by)
    devices = _require_valid(content, by)
    cause = Cause("edit", now, by)
    if rollout.state == RolloutState.AWAITING_APPROVAL:
        rollout_move(rollout, RolloutState.DRAFT, cause, content_hash="", submitted_at=None)
    rollout.version_id, rollout.name, rollout.plan = content.version_id, content.name, content.plan.as_json()
    rollout.save(update_fields=["version", "name", "plan"])
    rollout.authors.add(by)
    rollout.stages.all().delete()
    _plan_stages(rollout, devices, content.plan)
    write_down(rollout, cause, f"Edited, {len(devices)} devices")
    return rollout


@transaction.atomic
def rollout_submit(*, rollout_id: int, by: User, now: datetime) -> Rollout:
    """Freeze the content and ask for approval. Whoever submits is an author too."""
    rollout = locked(rollout_id)
    require_verb(rollout, Verb.SUBMIT, by)
    rollout.authors.add(by)
    changes = {"content_hash": content_hash(rollout), "submitted_at": now}
    rollout_move(rollout, RolloutState.AWAITING_APPROVAL, Cause("submit", now, by), **changes)
    return rollout


def content_hash(rollout: Rollout) -> str:
    """SHA-256 over all that an approver decides on: version, name, plan, and each device with its stage."""
    targets = rollout.targets.order_by("device_id").values_list("device_id", "stage__number")
    content = {
        "version": ModelVersion.objects.values_list("digest", flat=True).get(pk=rollout.version_id),
        "name": rollout.name,
        "plan": rollout.plan,
        "targets": [[str(device_id), number] for device_id, number in targets],
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _require_valid(content: Content, by: User) -> list[Device]:
    devices = list(Device.objects.select_related("line").filter(pk__in=content.device_ids))
    faults = plan_faults(content.plan)
    if not content.name:
        faults["name"] = "Give the rollout a name."
    if not devices or len(devices) != len(set(content.device_ids)):
        faults["device_ids"] = "Choose at least one device." if not devices else "Some devices are not known here."
    if not ModelVersion.objects.filter(pk=content.version_id, state=VersionState.PUBLISHED).exists():
        faults["version_id"] = "Only a published version can be rolled out."
    if faults:
        raise Wrong("This rollout cannot be carried out as it stands.", code="invalid", fields=faults)
    for site_id in {device.line.site_id for device in devices}:
        require(by, Permission.PLAN_ROLLOUT, site_id)
    return devices


def _plan_stages(rollout: Rollout, devices: list[Device], plan: Plan) -> None:
    candidates = [Candidate(str(device.pk), device.line.site_id, device.line_id) for device in devices]
    done_count = 0
    for number, members in enumerate(staged(candidates, plan.shares), start=1):
        done_count += len(members)
        stage = Stage.objects.create(rollout=rollout, number=number, share_ratio=done_count / len(devices))
        Target.objects.bulk_create(
            Target(rollout=rollout, stage=stage, device_id=member.device_id) for member in members
        )
