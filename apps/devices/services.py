"""Sites, lines and devices as people set them up, and everything that changes what a device may or should do."""

import logging
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
from django.db import IntegrityError, transaction
from django.db.models import Max

from apps.accounts.models import User
from apps.core.doorbell import ring
from apps.core.errors import Conflict, NotFound, Wrong
from apps.core.leases import claim_due
from apps.core.models import AuditRow
from apps.core.moves import move
from apps.core.services import audit
from apps.devices.codes import code_hash, new_code
from apps.devices.events import CommandChanged, ConfigurationChanged, DeviceChanged, PlaceChanged
from apps.devices.models import Command, ConfigurationRevision, Device, EnrolmentCode, Line, Site
from apps.devices.selectors import time_zones
from apps.devices.states import ADMISSION_MOVES, COMMAND_MOVES, Admission, CommandState
from edge_agent.wire.configuration import Configuration
from edge_agent.wire.messages import Hardware
from edge_agent.wire.words import CommandKind, CommandOutcome

logger = logging.getLogger(__name__)

CODE_LIFETIME_S = 900.0
COMMAND_LIFETIME_S = 600.0
EXPIRY_LEASE_S = 30.0
ANSWER_CHARACTERS_MAX = 20_000
ARGUMENTS_MAX = 16
ARGUMENT_CHARACTERS_MAX = 200
REFUSALS_PER_MINUTE_MAX = 30

_OPEN_COMMANDS = (CommandState.QUEUED, CommandState.DELIVERED)
_OUTCOMES = {CommandOutcome.SUCCEEDED: CommandState.SUCCEEDED, CommandOutcome.FAILED: CommandState.FAILED}


def actor_of(user: User | None) -> str:
    """How an audit row names who acted; without a person it was the product's own set-up."""
    return f"user:{user.username}" if user else "system:setup"


@transaction.atomic
def site_create(*, name: str, time_zone: str = "UTC", by: User | None = None) -> Site:
    """Raises Wrong for a time zone that this machine does not know, Conflict when the name is taken."""
    site = Site(name=name, time_zone=_time_zone(time_zone))
    _place_save(site, name)
    audit(actor=actor_of(by), verb="site_created", object=f"site:{site.pk}", site_id=site.pk, detail=_words(site))
    return site


@transaction.atomic
def site_change(*, site_id: int, name: str, time_zone: str, by: User) -> Site:
    """Rename a site or move its clock; what was recorded keeps its time. Raises NotFound, Wrong, Conflict."""
    site = Site.objects.select_for_update().filter(pk=site_id).first()
    if site is None:
        raise NotFound("There is no such site.", code="site_unknown")
    before = _words(site)
    site.name, site.time_zone = name, _time_zone(time_zone)
    _place_changed(site, before, by, site_id=site.pk)
    return site


@transaction.atomic
def line_create(*, site: Site, name: str, product: str = "", by: User | None = None) -> Line:
    """Raises Conflict when the site has a line of this name."""
    line = Line(site=site, name=name, product=product)
    _place_save(line, name)
    audit(actor=actor_of(by), verb="line_created", object=f"line:{line.pk}", site_id=site.pk, detail=_words(line))
    return line


@transaction.atomic
def line_change(*, line_id: int, name: str, product: str, by: User) -> Line:
    """Raises NotFound, and Conflict when the site has another line of this name."""
    line = Line.objects.select_for_update().filter(pk=line_id).first()
    if line is None:
        raise NotFound("There is no such line.", code="line_unknown")
    before = _words(line)
    line.name, line.product = name, product
    _place_changed(line, before, by, site_id=line.site_id)
    return line


def _place_changed(place: Site | Line, before: dict[str, str], by: User, *, site_id: int) -> None:
    """Save, audit and ring, unless the form was sent without a change."""
    after = _words(place)
    if after == before:
        return
    _place_save(place, place.name)
    word = "site" if isinstance(place, Site) else "line"
    detail = {"before": before, "after": after}
    audit(actor=actor_of(by), verb=f"{word}_changed", object=f"{word}:{place.pk}", site_id=site_id, detail=detail)
    ring(PlaceChanged(site_id))


def _place_save(place: Site | Line, name: str) -> None:
    word = "site" if isinstance(place, Site) else "line at this site"
    try:
        with transaction.atomic():
            place.save()
    except IntegrityError as exc:
        text = f"There is already a {word} named {name}."
        raise Conflict(text, code="name_taken", fields={"name": text}) from exc


def _words(place: Site | Line) -> dict[str, str]:
    if isinstance(place, Site):
        return {"name": place.name, "time_zone": place.time_zone}
    return {"name": place.name, "product": place.product}


def _time_zone(name: str) -> str:
    if name not in time_zones():
        text = f"There is no time zone {name}."
        raise Wrong(text, code="unknown_time_zone", fields={"time_zone": text})
    return name


@transaction.atomic
def device_register(*, line: Line, name: str, actor: str) -> Device:
    """A device that is expected to enrol. Raises Conflict when the name is taken."""
    try:
        with transaction.atomic():
            device = Device.objects.create(line=line, name=name)
    except IntegrityError as exc:
        raise Conflict(f"There is already a device named {name}.", code="name_taken") from exc
    _audit(device, actor=actor, verb="device_registered", detail={"name": name})
    ring(DeviceChanged(str(device.pk)))
    return device


@transaction.atomic
def enrolment_code_issue(*, device: Device, by: User | None, now: datetime, lifetime_s: float = CODE_LIFETIME_S) -> str:
    """A one-time code for this device, shown once and kept as a hash. Unused earlier ones stop working."""
    if device.state == Admission.DECOMMISSIONED:
        raise Conflict("A decommissioned device cannot enrol again.", code="device_decommissioned")
    device.codes.filter(used_at=None, expires_at__gt=now).update(expires_at=now)
    code = new_code()
    EnrolmentCode.objects.create(
        device=device, code_hash=code_hash(code), created_by=by, expires_at=now + timedelta(seconds=lifetime_s)
    )
    _audit(device, actor=actor_of(by), verb="enrolment_code_issued", detail={"lifetime_s": lifetime_s})
    return code


def device_enrol(*, code: str, public_key: str, hardware: Hardware, agent_version: str, now: datetime) -> Device:
    """Tie this key to the device that the code was issued for. A code works once.

    The same code with the same key again gives the same device: the first reply may have been lost.
    Raises Wrong with code `code_unknown`, `code_used`, `code_expired` or `key_in_use`; each refusal is audited.
    """
    try:
        return _enrol(code, public_key, hardware, agent_version, now)
    except Wrong as exc:
        _refusal_audit(exc, public_key, now)
        raise


@transaction.atomic
def _enrol(code: str, public_key: str, hardware: Hardware, agent_version: str, now: datetime) -> Device:
    # The code's row is the lock: of two devices with one code the second sees it used.
    found = EnrolmentCode.objects.select_for_update().filter(code_hash=code_hash(code)).first()
    if found is None:
        raise Wrong("This enrolment code is not known.", code="code_unknown")
    device = _device(found.device_id, is_locked=True)
    if found.used_at is not None:
        if device.public_key == public_key and device.state == Admission.ENROLLED:
            return device
        raise Wrong("This enrolment code was used before; ask for a new one.", code="code_used")
    if found.expires_at <= now:
        raise Wrong("This enrolment code has expired; ask for a new one.", code="code_expired")
    found.used_at = now
    found.save(update_fields=["used_at"])
    return _admit(device, public_key, hardware, agent_version, now)


def _admit(device: Device, public_key: str, hardware: Hardware, agent_version: str, now: datetime) -> Device:
    if device.state not in (Admission.EXPECTED, Admission.ENROLLED):
        raise Wrong(f"This device is {device.state}.", code=f"device_{device.state}")
    had_key = bool(device.public_key)
    device.state, device.public_key, device.enrolled_at = Admission.ENROLLED, public_key, now
    device.hardware = msgspec.to_builtins(hardware)
    try:
        with transaction.atomic():
            device.save(update_fields=["state", "public_key", "enrolled_at", "hardware"])
    except IntegrityError as exc:
        raise Wrong("This key belongs to another device; make a new one.", code="key_in_use") from exc
    detail = {"public_key": public_key, "agent_version": agent_version, "is_key_replaced": had_key}
    _audit(device, actor=f"device:{device.pk}", verb="device_enrolled", detail=detail, now=now)
    ring(DeviceChanged(str(device.pk)))
    return device


def _refusal_audit(refusal: Wrong, public_key: str, now: datetime) -> None:
    """One row per refused attempt, up to a limit: strangers must not be able to fill the audit with guesses."""
    since = now - timedelta(seconds=60)
    if AuditRow.objects.filter(verb="enrolment_refused", at__gt=since).count() >= REFUSALS_PER_MINUTE_MAX:
        logger.warning("enrolment_refused code=%s audit=skipped", refusal.code)
        return
    detail = {"code": refusal.code, "public_key": public_key}
    audit(actor="device:unknown", verb="enrolment_refused", object="enrolment", detail=detail, at=now)


def device_quarantine(*, device_id: str | UUID, reason: str, actor: str, now: datetime) -> bool:
    """Stop believing this device; its requests are refused until a person releases it. False: it was not enrolled."""
    return _admission_move(device_id, Admission.ENROLLED, Admission.QUARANTINED, reason=reason, actor=actor, now=now)


def device_release(*, device_id: str | UUID, reason: str, actor: str, now: datetime) -> bool:
    """Let a quarantined device in again. False: it was not quarantined."""
    return _admission_move(device_id, Admission.QUARANTINED, Admission.ENROLLED, reason=reason, actor=actor, now=now)


def device_decommission(*, device_id: str | UUID, reason: str, actor: str, now: datetime) -> bool:
    """For good. False: it already was."""
    old = Admission(_device(device_id).state)
    if old == Admission.DECOMMISSIONED:
        return False
    return _admission_move(device_id, old, Admission.DECOMMISSIONED, reason=reason, actor=actor, now=now)


@transaction.atomic
def configuration_set(
    *, device_id: str | UUID, configuration: Configuration, by: User | None, reason: str, now: datetime
) -> ConfigurationRevision:
    """Make this the device's desired configuration, as its next revision."""
    # The device's row is the lock: two people who save at once get two revisions, one after the other.
    device = _device(device_id, is_locked=True)
    last = device.configurations.aggregate(last=Max("revision"))["last"] or 0
    body = msgspec.to_builtins(configuration)
    row = ConfigurationRevision.objects.create(
        device=device, revision=last + 1, body=body, created_by=by, reason=reason
    )
    detail = {"revision": row.revision, "reason": reason, "body": body}
    _audit(device, actor=actor_of(by), verb="configuration_set", detail=detail, now=now)
    ring(ConfigurationChanged(str(device.pk)))
    return row


@transaction.atomic
def command_queue(
    *,
    device_id: str | UUID,
    kind: CommandKind,
    by: User | None,
    now: datetime,
    arguments: Mapping[str, str] | None = None,
    lifetime_s: float = COMMAND_LIFETIME_S,
) -> Command:
    """A command that the device hears at its next check-in, or never when it does not check in in time."""
    given = dict(arguments or {})
    longest = max((len(word) for pair in given.items() for word in pair), default=0)
    if len(given) > ARGUMENTS_MAX or longest > ARGUMENT_CHARACTERS_MAX:
        raise Wrong("A command takes at most 16 short arguments.", code="arguments_too_long")
    device = _device(device_id)
    if device.state != Admission.ENROLLED:
        raise Conflict(f"This device is {device.state}; it takes no commands.", code="device_not_enrolled")
    command = Command.objects.create(
        device=device, kind=kind, arguments=given, created_by=by, next_look_at=now + timedelta(seconds=lifetime_s)
    )
    detail = {"kind": str(kind), "command": str(command.pk), "arguments": given}
    _audit(device, actor=actor_of(by), verb="command_queued", detail=detail, now=now)
    ring(CommandChanged(str(device.pk), str(command.pk)))
    return command


@transaction.atomic
def commands_deliver(*, device_id: str | UUID, now: datetime) -> list[Command]:
    """The commands this device should answer now, oldest first.

    Delivered ones come again until they are answered: the reply that brought them may have been lost.
    """
    waiting = Command.objects.filter(device_id=device_id, state__in=_OPEN_COMMANDS, next_look_at__gt=now)
    commands = list(waiting.order_by("created_at", "pk"))
    for command in commands:
        if command.state == CommandState.QUEUED:
            _command_move(command, CommandState.QUEUED, CommandState.DELIVERED, delivered_at=now)
    return commands


@transaction.atomic
def command_answer(
    *, device_id: str | UUID, command_id: str, outcome: CommandOutcome, text: str, now: datetime
) -> bool:
    """Keep the device's answer, late or not. False: no such command of this device waits for one."""
    key, state = _uuid_or_none(command_id), _OUTCOMES[outcome]
    command = Command.objects.filter(pk=key, device_id=device_id).first() if key else None
    if command is None or state not in COMMAND_MOVES[command.state]:
        return False
    answer = text.replace("\x00", "")[:ANSWER_CHARACTERS_MAX]
    return _command_move(command, command.state, state, answered_at=now, answer=answer)


def commands_expire_due(*, now: datetime) -> int:
    """Close the commands whose time is over. Returns how many."""
    due = claim_due(Command.objects.filter(state__in=_OPEN_COMMANDS), now=now, lease_s=EXPIRY_LEASE_S)
    return sum(_command_expire(str(pk)) for pk in due)


@transaction.atomic
def _command_expire(command_id: str) -> bool:
    command = Command.objects.get(pk=command_id)
    if CommandState.EXPIRED not in COMMAND_MOVES[command.state]:
        return False
    return _command_move(command, command.state, CommandState.EXPIRED)


def _command_move(command: Command, old: str, new: str, **changes: object) -> bool:
    if not move(Command, pk=command.pk, moves=COMMAND_MOVES, old=old, new=new, **changes):
        return False
    command.state = new
    ring(CommandChanged(str(command.device_id), str(command.pk)))
    return True


@transaction.atomic
def _admission_move(
    device_id: str | UUID, old: Admission, new: Admission, *, reason: str, actor: str, now: datetime
) -> bool:
    device = _device(device_id)
    if not move(Device, pk=device.pk, moves=ADMISSION_MOVES, old=old, new=new, state_reason=reason[:200]):
        return False
    _audit(device, actor=actor, verb=f"device_{new}", detail={"reason": reason, "from": str(old)}, now=now)
    ring(DeviceChanged(str(device.pk)))
    return True


def _device(device_id: str | UUID, *, is_locked: bool = False) -> Device:
    """The device with its line. Raises NotFound."""
    rows = Device.objects.select_related("line")
    if is_locked:
        rows = rows.select_for_update(of=("self",))
    key = _uuid_or_none(device_id)
    device = rows.filter(pk=key).first() if key else None
    if device is None:
        raise NotFound("There is no such device.", code="device_unknown")
    return device


def _audit(device: Device, *, actor: str, verb: str, detail: Mapping[str, object], now: datetime | None = None) -> None:
    site_id = device.line.site_id
    audit(actor=actor, verb=verb, object=f"device:{device.pk}", site_id=site_id, detail=detail, at=now)


def _uuid_or_none(text: str | UUID) -> UUID | None:
    try:
        return uuid.UUID(str(text))
    except ValueError:
        return None
