"""Sums over many devices' windows, one query each for any number of devices."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

BUCKET_S = 300
BUCKETS = 24
"""Two hours in steps of five minutes: what a sparkline shows."""

_REJECT_SQL = """
SELECT d.line_id, floor(extract(epoch FROM w.start - %s) / %s)::int,
       sum(coalesce((w.verdict_counts->>'ok')::bigint, 0)),
       sum(coalesce((w.verdict_counts->>'defect')::bigint, 0))
FROM telemetry_window AS w JOIN devices_device AS d ON d.id = w.device_id
WHERE w.device_id = ANY(%s) AND w.start >= %s AND w.start < %s
GROUP BY 1, 2
"""
_CLASSES_SQL = """
SELECT counted.key, sum(counted.value::bigint)
FROM telemetry_window AS w, jsonb_each_text(w.label_counts) AS counted
WHERE w.device_id = ANY(%s) AND w.start >= %s
GROUP BY 1 ORDER BY 2 DESC, 1
"""
_VERDICTS_SQL = """
SELECT sum(coalesce((verdict_counts->>'ok')::bigint, 0)), sum(coalesce((verdict_counts->>'defect')::bigint, 0)),
       sum(coalesce((verdict_counts->>'cannot_judge')::bigint, 0)) FILTER (WHERE model_digest IS NOT NULL),
       sum(coalesce((verdict_counts->>'cannot_judge')::bigint, 0)) FILTER (WHERE model_digest IS NULL)
FROM telemetry_window WHERE device_id = ANY(%s) AND start >= %s
"""

Ids = Collection[str]


@dataclass(frozen=True, slots=True)
class Verdicts:
    ok_count: int
    defect_count: int
    cannot_judge_count: int
    no_model_count: int
    """Items that came by while no model ran: nobody can say anything of them, good or bad."""

    @property
    def item_count(self) -> int:
        """The items that a model looked at."""
        return self.ok_count + self.defect_count + self.cannot_judge_count


def reject_trends(device_ids: Ids, now: datetime) -> dict[int, list[float | None]]:
    """Per line the share of defects in each of the last BUCKETS steps, oldest first; None where nothing was judged."""
    since = now - timedelta(seconds=BUCKET_S * BUCKETS)
    trends: defaultdict[int, list[float | None]] = defaultdict(lambda: [None] * BUCKETS)
    for line_id, step, ok, defect in _rows(_REJECT_SQL, [since, BUCKET_S, _uuids(device_ids), since, now]):
        judged = int(ok) + int(defect)
        trends[line_id][min(step, BUCKETS - 1)] = int(defect) / judged if judged else None
    return trends


def classes_found(device_ids: Ids, since: datetime) -> list[tuple[str, int]]:
    """What the models called the items, most frequent first."""
    return [(label, int(total)) for label, total in _rows(_CLASSES_SQL, [_uuids(device_ids), since])]


def verdicts(device_ids: Ids, since: datetime) -> Verdicts:
    return Verdicts(*(int(total or 0) for total in _rows(_VERDICTS_SQL, [_uuids(device_ids), since])[0]))


def _rows(sql: str, parameters: list[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())


def _uuids(device_ids: Ids) -> list[UUID]:
    return [UUID(one) for one in device_ids]
