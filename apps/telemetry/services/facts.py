"""The latest that each device said of itself, one row per device."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from apps.devices.services import command_answer
from apps.telemetry.models import DeviceFacts
from edge_agent.wire import records as wire

_COLUMNS = [column.name for column in DeviceFacts._meta.concrete_fields if not column.primary_key]


def facts_of(device_ids: Iterable[str]) -> dict[str, DeviceFacts]:
    """The devices' rows, locked in one order; new ones for devices that never said anything."""
    ids = sorted(set(device_ids))
    rows = DeviceFacts.objects.select_for_update().filter(device_id__in=ids).order_by("device_id")
    found = {str(row.device_id): row for row in rows}
    return {one: found.get(one) or DeviceFacts(device_id=one) for one in ids}


def facts_save(rows: Sequence[DeviceFacts]) -> None:
    DeviceFacts.objects.bulk_create(rows, update_conflicts=True, unique_fields=["device"], update_fields=_COLUMNS)


def facts_learn(facts: DeviceFacts, record: wire.Record, now: datetime) -> None:
    """What one stored record says of its device; a later one overrides an earlier one."""
    match record:
        case wire.Result():
            facts.last_item_at = now
        case wire.Window():
            facts.backlog_count = record.backlog_count
        case wire.Health():
            facts.health, facts.health_at = msgspec.to_builtins(record), now
            facts.backlog_count = record.backlog_count
        case wire.UpdateStep():
            facts.update_state, facts.update_reason = str(record.state), record.reason
            digest_learn(facts, record.running_digest, now)
        case wire.ConfigurationReported():
            _configuration_learn(facts, record)
        case wire.CommandAnswer():
            command_answer(
                device_id=facts.device_id,
                command_id=record.command_id,
                outcome=record.outcome,
                text=record.text,
                now=now,
            )


def digest_learn(facts: DeviceFacts, digest: str | None, now: datetime) -> None:
    if facts.active_digest != digest:
        facts.active_digest, facts.digest_since = digest, now


def _configuration_learn(facts: DeviceFacts, record: wire.ConfigurationReported) -> None:
    if record.is_applied:
        facts.configuration_revision, facts.configuration_refused = record.revision, ""
    else:
        facts.configuration_refused = f"revision {record.revision}: {record.reason}"[:200]
