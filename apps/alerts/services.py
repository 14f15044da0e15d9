"""Rules over facts: an alert opens by itself, says value and limit, and resolves itself when the fact is gone."""

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from apps.accounts.models import User
from apps.accounts.rights import Permission
from apps.accounts.services import require
from apps.alerts.events import AlertChanged
from apps.alerts.models import Alert, Rule
from apps.alerts.policy import heard_sentence
from apps.alerts.states import ALERT_MOVES, AlertState, RuleKind
from apps.core.doorbell import ring
from apps.core.errors import Conflict, NotFound, Wrong
from apps.core.moves import move
from apps.core.services import audit
from apps.devices.models import Device
from apps.devices.states import Admission
from apps.telemetry.models import DeviceFacts

logger = logging.getLogger(__name__)

NOT_ENROLLED = "The device is not enrolled any more."


@transaction.atomic
def alerts_evaluate_due(*, now: datetime) -> int:
    """Judge every device by every enabled rule, with the same few queries for any number of devices.

    Returns how many alerts opened or resolved.
    """
    rule = Rule.objects.filter(kind=RuleKind.DEVICE_SILENT, is_enabled=True).first()
    return _silent_open(rule, now) + _silent_resolve(rule, now) if rule else 0


def _silent_open(rule: Rule, now: datetime) -> int:
    """One alert per silent device. The partial unique constraint decides between two evaluators."""
    known = Alert.objects.filter(rule=rule).exclude(state=AlertState.RESOLVED).values("device_id")
    silent = _devices_heard().filter(state=Admission.ENROLLED, heard_at__lt=now - timedelta(seconds=rule.limit))
    rows = [_alert_row(rule, device, now) for device in silent.exclude(pk__in=known)]
    if not rows:
        return 0
    Alert.objects.bulk_create(rows, ignore_conflicts=True)
    opened = Alert.objects.filter(rule=rule, opened_at=now, device_id__in=[row.device_id for row in rows])
    for alert in opened:
        logger.warning("alert_opened alert=%s device=%s silent_s=%.0f", alert.pk, alert.device_id, alert.value)
    return _ring(opened)


def _devices_heard() -> QuerySet[Any]:
    """Devices with `heard_at`: when each was last heard of, or enrolled if it never was."""
    seen = DeviceFacts.objects.filter(device=OuterRef("pk")).values("last_seen_at")[:1]
    return Device.objects.annotate(heard_at=Coalesce(Subquery(seen), F("enrolled_at")))


def _alert_row(rule: Rule, device: Any, now: datetime) -> Alert:
    silent_s = (now - device.heard_at).total_seconds()
    return Alert(rule=rule, device_id=device.pk, opened_at=now, value=silent_s, limit=rule.limit)


def _silent_resolve(rule: Rule, now: datetime) -> int:
    """An alert ends by itself when its device is heard again, or is not expected to be heard any more."""
    unresolved = list(Alert.objects.filter(rule=rule).exclude(state=AlertState.RESOLVED))
    if not unresolved:
        return 0
    devices = {device.pk: device for device in _devices_heard().filter(pk__in=[one.device_id for one in unresolved])}
    reasons = {alert: _resolution(alert, devices[alert.device_id], rule, now) for alert in unresolved}
    return _ring(alert for alert, reason in reasons.items() if reason and _end(alert, reason, now))


def _resolution(alert: Alert, device: Any, rule: Rule, now: datetime) -> str:
    """Why the alert is over; empty while it is not."""
    if device.state != Admission.ENROLLED:
        return NOT_ENROLLED
    if device.heard_at is None or device.heard_at < now - timedelta(seconds=rule.limit):
        return ""
    return heard_sentence(timedelta(seconds=alert.value) + (device.heard_at - alert.opened_at))


def _end(alert: Alert, resolution: str, now: datetime) -> bool:
    """False: somebody moved it first, and the next turn looks again."""
    new = AlertState.RESOLVED
    changes = {"resolved_at": now, "resolution": resolution}
    return move(Alert, pk=alert.pk, moves=ALERT_MOVES, old=alert.state, new=new, **changes)


def _ring(alerts: Iterable[Alert]) -> int:
    rung = [alert.pk for alert in alerts]
    for alert_id in rung:
        ring(AlertChanged(alert_id))
    return len(rung)


@transaction.atomic
def alert_acknowledge(*, alert_id: int, by: User, now: datetime, note: str = "") -> Alert:
    """Say that somebody is at it. Raises Forbidden at another site, Conflict when it is not open any more."""
    changes = {"acknowledged_by": by, "acknowledged_at": now, "note": note[:500]}
    return _person_moves(alert_id, AlertState.ACKNOWLEDGED, by, now, changes)


@transaction.atomic
def alert_resolve(*, alert_id: int, by: User, resolution: str, now: datetime) -> Alert:
    """Close an alert by hand. While the fact lasts, the rule opens a new one."""
    changes = {"resolved_at": now, "resolution": resolution[:200] or f"Resolved by {by.username}."}
    return _person_moves(alert_id, AlertState.RESOLVED, by, now, changes)


def _person_moves(alert_id: int, new: AlertState, by: User, now: datetime, changes: dict[str, object]) -> Alert:
    alert = Alert.objects.select_related("device__line").select_for_update(of=("self",)).filter(pk=alert_id).first()
    if alert is None:
        raise NotFound("There is no such alert.")
    site_id = alert.device.line.site_id
    require(by, Permission.HANDLE_ALERT, site_id)
    if new not in ALERT_MOVES[alert.state]:
        raise Conflict(f"The alert is {AlertState(alert.state).label.lower()} already.", code="not_now")
    move(Alert, pk=alert.pk, moves=ALERT_MOVES, old=alert.state, new=new, **changes)
    audit(actor=f"user:{by.username}", verb=f"alert_{new}", object=f"alert:{alert.pk}", site_id=site_id, at=now)
    ring(AlertChanged(alert.pk))
    alert.refresh_from_db()
    return alert


@transaction.atomic
def rule_limit_set(*, kind: RuleKind, limit: float, actor: str, now: datetime) -> bool:
    """Change what a rule allows, in the kind's own unit; open alerts keep the limit they opened with. True: changed."""
    if limit <= 0:
        raise Wrong("A limit is more than zero.", code="bad_limit")
    is_changed = bool(Rule.objects.filter(kind=kind).exclude(limit=limit).update(limit=limit))
    if is_changed:
        audit(actor=actor, verb="alert_rule_limit", object=f"rule:{kind}", detail={"limit": limit}, at=now)
    return is_changed
