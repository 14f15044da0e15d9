"""What rollouts judge: how updates went, and how a version does on real items."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec
from django.db import connection

from apps.telemetry.models import ControlRecord
from edge_agent.wire.records import UpdateStep

_FACTS_SQL = """
SELECT count(*),
       count(*) FILTER (WHERE cannot_judge = 'engine_error'),
       count(*) FILTER (WHERE verdict = 'cannot_judge'),
       count(*) FILTER (WHERE verdict = 'defect'),
       count(*) FILTER (WHERE NOT is_in_time),
       percentile_cont(0.95) WITHIN GROUP (ORDER BY total_ms)
FROM telemetry_result
WHERE device_id = ANY(%s) AND model_digest = %s AND arrived_on >= %s AND arrived_at >= %s
"""


@dataclass(frozen=True, slots=True)
class UpdateStepFact:
    """One reported step; `id` counts up, so that a reader can go on from the last one it saw."""

    id: int
    device_id: str
    arrived_at: datetime
    step: UpdateStep


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """How one version did on the items that arrived since a moment. p95_ms: None without items."""

    item_count: int
    error_count: int
    """Items on which the engine failed."""
    cannot_judge_count: int
    defect_count: int
    late_count: int
    p95_ms: float | None


def update_steps(*, device_ids: Collection[str | UUID], since_id: int = 0) -> list[UpdateStepFact]:
    """The steps that these devices reported after row `since_id`, in the order they arrived."""
    rows = ControlRecord.objects.filter(device_id__in=device_ids, kind="update_step", id__gt=since_id).order_by("id")
    return [
        UpdateStepFact(
            id=row.pk,
            device_id=str(row.device_id),
            arrived_at=row.arrived_at,
            step=msgspec.convert(row.body, UpdateStep),
        )
        for row in rows
    ]


def model_facts(*, device_ids: Collection[str | UUID], digest: str, since: datetime) -> ModelFacts:
    """Counted from the results themselves, by when they arrived: device clocks lie."""
    ids = [UUID(str(one)) for one in device_ids]
    with connection.cursor() as cursor:
        cursor.execute(_FACTS_SQL, [ids, digest, since.date(), since])
        return ModelFacts(*cursor.fetchone())
