"""One device's windows, results and reports over time."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import QuerySet

from apps.accounts.selectors import Scope
from apps.telemetry.models import ControlRecord, Result, Window
from apps.telemetry.selectors.latency import Latency, latency_of


@dataclass(frozen=True, slots=True)
class WindowPoint:
    """One window as a chart draws it."""

    start: datetime
    duration_s: float
    line: str
    model_digest: str | None
    ok_count: int
    defect_count: int
    cannot_judge_count: int
    low_confidence_count: int
    late_count: int
    error_count: int
    backlog_count: int
    infer: Latency
    total: Latency


def windows(*, device_id: str | UUID, since: datetime, until: datetime) -> list[WindowPoint]:
    """The device's windows that start in this time, oldest first."""
    rows = Window.objects.filter(device_id=device_id, start__gte=since, start__lt=until).order_by("start", "seq")
    return [_point(row) for row in rows]


def window_rows(*, scope: Scope) -> QuerySet[Window]:
    """The windows at the sites that a person may see, newest first."""
    rows = Window.objects.select_related("device__line__site").order_by("-start", "-pk")
    return scope.narrow(rows, "device__line__site_id")


def quantiles(*, device_id: str | UUID, since: datetime) -> Latency:
    """From trigger to verdict, over the windows that start after `since`."""
    rows = Window.objects.filter(device_id=device_id, start__gte=since)
    return latency_of(rows.values_list("total_sketch", flat=True))


def results_recent(*, device_id: str | UUID, now: datetime, limit: int = 50) -> list[Result]:
    """The last results that arrived within two days, newest first."""
    since = now - timedelta(days=2)
    rows = Result.objects.filter(device_id=device_id, arrived_on__gte=since.date(), arrived_at__gte=since)
    return list(rows.order_by("-arrived_at", "-seq")[:limit])


def control_recent(*, device_id: str | UUID, kinds: tuple[str, ...], limit: int = 50) -> list[ControlRecord]:
    """The device's latest reports of these kinds (`health`, `alarm`, `update_step`, …), newest first."""
    return list(ControlRecord.objects.filter(device_id=device_id, kind__in=kinds).order_by("-id")[:limit])


def _point(row: Window) -> WindowPoint:
    return WindowPoint(
        start=row.start,
        duration_s=row.duration_s,
        line=row.line,
        model_digest=row.model_digest,
        ok_count=row.verdict_counts.get("ok", 0),
        defect_count=row.verdict_counts.get("defect", 0),
        cannot_judge_count=row.verdict_counts.get("cannot_judge", 0),
        low_confidence_count=row.low_confidence_count,
        late_count=row.late_count,
        error_count=row.error_count,
        backlog_count=row.backlog_count,
        infer=latency_of([row.infer_sketch]),
        total=latency_of([row.total_sketch]),
    )
