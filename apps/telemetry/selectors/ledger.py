"""Proof of completeness, from the rows themselves."""

from dataclasses import dataclass
from uuid import UUID

from django.db import connection

from apps.telemetry.models import Stream

_SQL = """
WITH kept AS (
    SELECT stream_id, seq FROM telemetry_result
    UNION ALL SELECT stream_id, seq FROM telemetry_window
    UNION ALL SELECT stream_id, seq FROM telemetry_controlrecord
    UNION ALL SELECT stream_id, seq FROM telemetry_quarantinedrecord
), counted AS (
    SELECT k.stream_id,
           count(*) AS row_count,
           count(DISTINCT k.seq) AS seq_count,
           count(*) FILTER (WHERE k.seq > s.watermark OR k.seq < 1) AS stray_count
    FROM kept AS k JOIN telemetry_stream AS s ON s.id = k.stream_id GROUP BY k.stream_id
), aside AS (
    SELECT stream_id, count(*) AS count FROM telemetry_quarantinedrecord GROUP BY stream_id
), tombs AS (
    SELECT stream_id, count(*) AS count FROM telemetry_controlrecord WHERE kind = 'tombstone' GROUP BY stream_id
)
SELECT d.name, s.id, s.kind, greatest(s.issued, s.watermark), s.watermark, s.expired_count, s.duplicate_count,
       coalesce(c.row_count, 0), coalesce(c.seq_count, 0), coalesce(c.stray_count, 0),
       coalesce(a.count, 0), coalesce(t.count, 0)
FROM telemetry_stream AS s
JOIN devices_device AS d ON d.id = s.device_id
LEFT JOIN counted AS c ON c.stream_id = s.id
LEFT JOIN aside AS a ON a.stream_id = s.id
LEFT JOIN tombs AS t ON t.stream_id = s.id
ORDER BY d.name, s.kind, s.created_at
"""


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One stream's account. Every figure but `issued` and `resent` is counted from rows, not assumed."""

    device: str
    stream: str
    kind: str
    issued: int
    """The highest number the device said it wrote."""
    stored: int
    """Numbers that are here, each counted once; expired ones included."""
    gap: int
    """Numbers up to the watermark that are not here: must be 0."""
    duplicates: int
    """Rows beyond one per number, and rows that the watermark does not cover: must be 0."""
    lag: int
    """Issued, and still on the device."""
    resent: int
    """Records that came again and were not stored twice."""
    quarantined: int
    tombstones: int

    @property
    def is_sound(self) -> bool:
        return self.gap == 0 and self.duplicates == 0


def watermarks(*, device_id: str | UUID) -> dict[str, int]:
    """How far each of the device's streams is stored."""
    return dict(Stream.objects.filter(device_id=device_id).order_by("pk").values_list("pk", "watermark"))


def ledger() -> list[LedgerRow]:
    """Every stream, by device. Reads all rows: a proof costs a scan."""
    with connection.cursor() as cursor:
        cursor.execute(_SQL)
        return [_row(*columns) for columns in cursor.fetchall()]


def _row(device: str, stream: str, kind: str, *counts: int) -> LedgerRow:
    issued, watermark, expired, resent, row_count, seq_count, stray, quarantined, tombstones = counts
    stored = seq_count - stray + expired
    return LedgerRow(
        device=device,
        stream=stream,
        kind=kind,
        issued=issued,
        stored=stored,
        gap=watermark - stored,
        duplicates=row_count - seq_count + stray,
        lag=issued - watermark,
        resent=resent,
        quarantined=quarantined,
        tombstones=tombstones,
    )
