"""Records as rows: results by binary COPY, the rest by bulk insert."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

import msgspec
from django.db import connection

from apps.telemetry.models import ControlRecord, QuarantinedRecord, Window
from apps.telemetry.received import StoredResult, Unreadable
from apps.telemetry.services.partitions import partition_need
from edge_agent.wire import records as wire

_LATEST_MS = 253_402_214_400_000
"""The last day of year 9999: what a clock may say beyond it is kept as this."""

_RESULT_COLUMNS = {
    "arrived_on": "date",
    "arrived_at": "timestamptz",
    "stream_id": "varchar",
    "seq": "int8",
    "device_id": "uuid",
    "at": "timestamptz",
    "is_time_trusted": "bool",
    "line": "varchar",
    "item": "varchar",
    "product": "varchar",
    "lot": "varchar",
    "verdict": "varchar",
    "label": "varchar",
    "score_ratio": "float8",
    "threshold_ratio": "float8",
    "model_digest": "varchar",
    "cannot_judge": "varchar",
    "infer_ms": "float8",
    "total_ms": "float8",
    "is_in_time": "bool",
    "image_sha256": "varchar",
    "flag_reason": "varchar",
    "selection_ratio": "float8",
    "source": "varchar",
}
_COPY = f"COPY telemetry_result ({', '.join(_RESULT_COLUMNS)}) FROM STDIN (FORMAT BINARY)"


@dataclass(frozen=True, slots=True)
class Place:
    """Where one record belongs."""

    device_id: str
    stream: str
    seq: int


@dataclass(slots=True)
class Intake:
    """Rows of one transaction, collected first and written together."""

    now: datetime
    results: list[StoredResult] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)
    controls: list[ControlRecord] = field(default_factory=list)
    quarantined: list[QuarantinedRecord] = field(default_factory=list)

    def add(self, place: Place, record: wire.Record | Unreadable, body: msgspec.Raw) -> None:
        if isinstance(record, wire.Result):
            self.results.append(StoredResult(place.device_id, place.stream, place.seq, record))
        elif isinstance(record, wire.Window):
            self.windows.append(_window(place, record, self.now))
        elif isinstance(record, Unreadable):
            self.quarantined.append(_quarantined(place, record, body, self.now))
        else:
            self.controls.append(_control(place, record, self.now))

    def write(self) -> None:
        _copy_results(self.results, self.now)
        if self.windows:
            Window.objects.bulk_create(self.windows)
        if self.controls:
            ControlRecord.objects.bulk_create(self.controls)
        if self.quarantined:
            QuarantinedRecord.objects.bulk_create(self.quarantined)


def instant(at_ms: int) -> datetime:
    """A device's wall clock as a time that a row can hold: nothing before 1970, nothing after 9999."""
    return datetime.fromtimestamp(min(max(at_ms, 0), _LATEST_MS) / 1000, UTC)


def _copy_results(results: Sequence[StoredResult], now: datetime) -> None:
    if not results:
        return
    partition_need(now.date())
    # Django does not translate what a COPY raises; the caller must be able to tell a bad row from a lost connection.
    with connection.cursor() as cursor, connection.wrap_database_errors, cursor.copy(_COPY) as copy:
        copy.set_types(list(_RESULT_COLUMNS.values()))
        for stored in results:
            copy.write_row(_result_row(stored, now))


def _result_row(stored: StoredResult, now: datetime) -> tuple[object, ...]:
    """In the order of `_RESULT_COLUMNS`."""
    result, image = stored.result, stored.result.image
    return (
        now.date(),
        now,
        stored.stream,
        stored.seq,
        UUID(stored.device_id),
        instant(result.at_ms),
        result.is_time_trusted,
        result.line,
        result.item,
        result.product,
        result.lot,
        str(result.verdict),
        result.label,
        result.score_ratio,
        result.threshold_ratio,
        result.model_digest,
        str(result.cannot_judge) if result.cannot_judge else None,
        result.timing.infer_ms,
        result.timing.total_ms,
        result.timing.is_in_time,
        image.sha256 if image else None,
        str(image.reason) if image else None,
        image.selection_ratio if image else None,
        result.source,
    )


def _window(place: Place, record: wire.Window, now: datetime) -> Window:
    return Window(
        stream_id=place.stream,
        seq=place.seq,
        device_id=place.device_id,
        arrived_at=now,
        start=instant(record.start_ms),
        duration_s=record.duration_s,
        line=record.line,
        model_digest=record.model_digest,
        verdict_counts={str(verdict): count for verdict, count in record.verdict_counts.items()},
        label_counts=record.label_counts,
        low_confidence_count=record.low_confidence_count,
        late_count=record.late_count,
        error_count=record.error_count,
        infer_sketch=msgspec.to_builtins(record.infer_ms, str_keys=True),
        total_sketch=msgspec.to_builtins(record.total_ms, str_keys=True),
        score_sketch=msgspec.to_builtins(record.score_percent, str_keys=True),
        backlog_count=record.backlog_count,
    )


def _control(place: Place, record: wire.Record, now: datetime) -> ControlRecord:
    assert not isinstance(record, wire.Window)
    return ControlRecord(
        stream_id=place.stream,
        seq=place.seq,
        device_id=place.device_id,
        arrived_at=now,
        at=instant(record.at_ms),
        kind=str(record.__struct_config__.tag),
        body=msgspec.to_builtins(record, str_keys=True),
    )


def _quarantined(place: Place, record: Unreadable, body: msgspec.Raw, now: datetime) -> QuarantinedRecord:
    return QuarantinedRecord(
        stream_id=place.stream,
        seq=place.seq,
        device_id=place.device_id,
        arrived_at=now,
        reason=record.reason.replace("\x00", "")[:300],
        body=bytes(body),
    )
