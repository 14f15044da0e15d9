"""Charts of one device as Plotly figures. Colours are names of tokens; the page resolves them for light and dark."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from apps.core.errors import NotFound
from apps.dashboard.pages.device import INFER_LIMIT_MS, TOTAL_LIMIT_MS
from apps.dashboard.pages.people import asker, device_seen
from apps.dashboard.templatetags.plant import zone_of
from apps.telemetry.selectors import WindowPoint, windows

HOURS_MAX = 24 * 7
Points = list[WindowPoint]
Figure = dict[str, Any]


@require_GET
def device_figure(request: HttpRequest, device_id: UUID, kind: str) -> JsonResponse:
    found = device_seen(asker(request), device_id)
    if kind not in FIGURES:
        raise NotFound("There is no such chart.")
    now = timezone.now()
    points = windows(device_id=found.pk, since=now - timedelta(hours=_hours(request)), until=now)
    zone = zone_of(found.line.site.time_zone)
    figure = FIGURES[kind](_in_zone(points, zone))
    figure["layout"]["xaxis"] = {"title": {"text": f"plant time ({zone.key})"}}
    return JsonResponse(figure)


def _in_zone(points: Points, zone: ZoneInfo) -> Points:
    """Plotly writes times as they are spelled, so they are spelled in the plant's zone."""
    return [replace(one, start=one.start.astimezone(zone).replace(tzinfo=None)) for one in points]


def _hours(request: HttpRequest) -> int:
    asked = request.GET.get("hours", "")
    return min(max(int(asked), 1), HOURS_MAX) if asked.isascii() and asked.isdigit() and len(asked) < 5 else 1


def latency_figure(points: Points) -> Figure:
    """Inference and trigger-to-verdict, each with its limit."""
    return {
        "data": [
            _line(points, "inference p95", "var(--series-1)", lambda one: one.infer.p95_ms),
            _line(points, "verdict p50", "var(--series-5)", lambda one: one.total.p50_ms),
            _line(points, "verdict p95", "var(--series-2)", lambda one: one.total.p95_ms),
            _line(points, "verdict p99", "var(--series-4)", lambda one: one.total.p99_ms),
        ],
        "layout": {
            "yaxis": {"title": {"text": "ms"}, "rangemode": "tozero"},
            "shapes": [_limit(INFER_LIMIT_MS), *([_limit(TOTAL_LIMIT_MS)] if _nears(points, TOTAL_LIMIT_MS) else [])],
        },
    }


def items_figure(points: Points) -> Figure:
    rate = [_per_minute(one) for one in points]
    bars = {
        "type": "bar",
        "name": "items/min",
        "x": _starts(points),
        "y": rate,
        "marker": {"color": "var(--ink-faint)"},
    }
    return {"data": [bars], "layout": {"yaxis": {"title": {"text": "items/min"}, "rangemode": "tozero"}, "bargap": 0.2}}


def reject_figure(points: Points) -> Figure:
    return {
        "data": [
            _line(points, "AI reject", "var(--series-1)", lambda one: _percent(one.defect_count, one)),
            _line(points, "cannot judge", "var(--series-2)", lambda one: _percent(one.cannot_judge_count, one)),
        ],
        "layout": {"yaxis": {"title": {"text": "%"}, "rangemode": "tozero"}},
    }


FIGURES: dict[str, Callable[[Points], Figure]] = {
    "latency": latency_figure,
    "items": items_figure,
    "reject": reject_figure,
}


def _line(points: Points, name: str, color: str, value: Callable[[WindowPoint], float | None]) -> Figure:
    return {
        "type": "scatter",
        "mode": "lines+markers" if len(points) < 90 else "lines",
        "name": name,
        "x": _starts(points),
        "y": [value(one) for one in points],
        "line": {"color": color, "width": 1.6},
        "marker": {"size": 4, "color": color},
    }


def _limit(limit_ms: float) -> Figure:
    line = {"color": "var(--act-soon)", "width": 1, "dash": "dash"}
    return {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": limit_ms, "y1": limit_ms, "line": line}


def _nears(points: Points, limit_ms: float) -> bool:
    # A limit far above every value would flatten what there is to see.
    return any((one.total.p99_ms or 0.0) > limit_ms / 3 for one in points)


def _starts(points: Points) -> list[str]:
    return [one.start.isoformat() for one in points]


def _item_count(point: WindowPoint) -> int:
    return point.ok_count + point.defect_count + point.cannot_judge_count


def _per_minute(point: WindowPoint) -> float:
    return 60 * _item_count(point) / point.duration_s if point.duration_s else 0.0


def _percent(count: int, point: WindowPoint) -> float | None:
    items = _item_count(point)
    return 100 * count / items if items else None
