"""Items and defects of lines over time, summed by the database: one query each for any number of devices."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

_POINTS_SQL = """
SELECT d.line_id, floor(extract(epoch FROM w.start - %(since)s) / %(step_s)s)::int, w.model_digest,
       sum(coalesce((w.verdict_counts->>'ok')::bigint, 0)),
       sum(coalesce((w.verdict_counts->>'defect')::bigint, 0)),
       sum(coalesce((w.verdict_counts->>'cannot_judge')::bigint, 0)),
       max(w.start)
FROM telemetry_window AS w JOIN devices_device AS d ON d.id = w.device_id
WHERE w.device_id = ANY(%(ids)s) AND w.start >= %(since)s AND w.start < %(until)s AND w.model_digest IS NOT NULL
GROUP BY 1, 2, 3 ORDER BY 1, 2, max(w.start), 3
"""
_CLASSES_SQL = """
SELECT counted.key, sum(counted.value::bigint)
FROM telemetry_window AS w, jsonb_each_text(w.label_counts) AS counted
WHERE w.device_id = ANY(%(ids)s) AND w.start >= %(since)s AND w.start < %(until)s
GROUP BY 1
"""


@dataclass(frozen=True, slots=True)
class Span:
    """A time in equal steps: what a chart shows, and what one of its points sums up."""

    since: datetime
    until: datetime
    step_s: int


@dataclass(frozen=True, slots=True)
class QualityPoint:
    """What one model version said on one line in one step. Items that came by while no model ran are left out."""

    line_id: int
    at: datetime
    digest: str
    ok_count: int
    defect_count: int
    cannot_judge_count: int
    last_at: datetime
    """When the newest of the windows in it began."""

    @property
    def judged_count(self) -> int:
        return self.ok_count + self.defect_count

    @property
    def item_count(self) -> int:
        return self.judged_count + self.cannot_judge_count


def quality_points(device_ids: Collection[UUID], span: Span) -> list[QualityPoint]:
    """By line, then oldest first; steps in which nothing came by are not there."""
    rows = _rows(_POINTS_SQL, device_ids, span)
    return [
        QualityPoint(
            line_id=line_id,
            at=span.since + timedelta(seconds=span.step_s * step),
            digest=digest,
            ok_count=int(ok),
            defect_count=int(defect),
            cannot_judge_count=int(cannot_judge),
            last_at=last_at,
        )
        for line_id, step, digest, ok, defect, cannot_judge, last_at in rows
    ]


def defects_by_class(device_ids: Collection[UUID], span: Span) -> dict[str, int]:
    return {label or "Unnamed": int(total) for label, total in _rows(_CLASSES_SQL, device_ids, span)}


def _rows(sql: str, device_ids: Collection[UUID], span: Span) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, {"ids": list(device_ids), "since": span.since, "until": span.until, "step_s": span.step_s})
        return list(cursor.fetchall())
