"""The quality page: is every line in control, what is found, and what the audit says of the model itself."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from apps.accounts.rights import Permission
from apps.accounts.selectors import scope
from apps.core.errors import NotFound
from apps.core.statistics import SIGMA_Z_WARNING, ParetoBar, Proportion, pareto, proportion
from apps.dashboard.pages.lines import version_labels
from apps.dashboard.pages.people import Asker, asker
from apps.dashboard.pages.quality_charts import POINTS_FEW, StageSeries, quality_figure, stages_of
from apps.dashboard.pages.quality_counts import QualityPoint, Span, defects_by_class, quality_points
from apps.dashboard.templatetags.plant import zone_of
from apps.defects.selectors import audited
from apps.devices.models import Device, Line, Site

RANGES = {"8h": ("last 8 h", 8, 300), "24h": ("last 24 h", 24, 3600), "7d": ("last 7 d", 168, 3600)}
"""By its name in the address: its name on the page, hours, and the seconds that one point sums up."""
RANGE_USUAL = "24h"
CHARTS_SHOWN = 4
CLASSES_SHOWN = 8
STALE_AFTER_S = 900.0
"""A device reports every minute; a line that is this far behind is shown as stale since."""


@dataclass(frozen=True, slots=True)
class Filters:
    """What the address asks for. What it cannot mean is taken as not said."""

    range: str
    site_id: int | None
    line_id: int | None

    @property
    def hours(self) -> int:
        return RANGES[self.range][1]

    def span(self, now: datetime) -> Span:
        """Steps begin on whole steps of the clock, so that a point does not change with the second it is looked at."""
        step_s = RANGES[self.range][2]
        since = (now - timedelta(hours=self.hours)).timestamp()
        return Span(datetime.fromtimestamp(since - since % step_s, UTC), now, step_s)


@dataclass(frozen=True, slots=True)
class StageRow:
    version: str
    center_ratio: float
    sigma_z: float | None
    varies_beyond_chance: bool
    point_count: int
    is_provisional: bool
    outside_count: int


@dataclass(frozen=True, slots=True)
class QualityRow:
    line: Line
    passed: Proportion
    stages: list[StageRow]
    stale_since: datetime | None

    @property
    def outside_count(self) -> int:
        return sum(stage.outside_count for stage in self.stages)


@dataclass(frozen=True, slots=True)
class ClassShown:
    bar: ParetoBar
    width_percent: float


@require_GET
def quality(request: HttpRequest) -> HttpResponse:
    """The page with its filters in the address."""
    return render(request, "dashboard/quality.html", _page(asker(request), filters_of(request.GET), timezone.now()))


@require_GET
def quality_figure_of(request: HttpRequest, line_id: int) -> JsonResponse:
    """One line's running chart. Raises NotFound for a line that this person may not see."""
    line = _lines(asker(request)).filter(pk=line_id).first()
    if line is None:
        raise NotFound("There is no such line, or it stands at a site that is not yours.")
    devices = Device.objects.filter(line=line).values_list("pk", flat=True)
    span = filters_of(request.GET).span(timezone.now())
    points = quality_points(list(devices), span)
    labels = version_labels(one.digest for one in points)
    return JsonResponse(quality_figure(stages_of(points), labels, zone_of(line.site), step_s=span.step_s))


def filters_of(asked: QueryDict) -> Filters:
    name = asked.get("range", "")
    return Filters(name if name in RANGES else RANGE_USUAL, _number(asked.get("site")), _number(asked.get("line")))


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else None


def _page(person: Asker, filters: Filters, now: datetime) -> dict[str, Any]:
    """Seven queries for any number of lines and devices."""
    span = filters.span(now)
    choices = list(_at_site(_lines(person), filters.site_id))
    lines = [one for one in choices if one.pk == filters.line_id] or choices
    ids = list(Device.objects.filter(line__in=lines).values_list("pk", flat=True))
    rows = quality_rows(lines, quality_points(ids, span), now)
    return {
        "now": now,
        "filters": filters,
        "ranges": [(key, name) for key, (name, _, _) in RANGES.items()],
        "range_name": RANGES[filters.range][0],
        "step_minutes": span.step_s // 60,
        "sites": scope(person, Permission.SEE_FLEET).narrow(Site.objects.order_by("name"), "id"),
        "choices": choices,
        "rows": rows,
        "charted": _worst_first(rows)[:CHARTS_SHOWN],
        "classes": _classes(ids, span),
        "audit": audited(device_ids=ids, since=span.since, until=span.until),
        "sigma_z_warning": SIGMA_Z_WARNING,
        "points_few": POINTS_FEW,
    }


def _lines(person: Asker) -> QuerySet[Line]:
    rows = Line.objects.select_related("site").order_by("site__name", "name")
    return scope(person, Permission.SEE_FLEET).narrow(rows, "site_id")


def _at_site(lines: QuerySet[Line], site_id: int | None) -> QuerySet[Line]:
    return lines if site_id is None else lines.filter(site_id=site_id)


def quality_rows(lines: list[Line], points: list[QualityPoint], now: datetime) -> list[QualityRow]:
    """One row per line that judged something, in the lines' order. One query."""
    of_line = {line_id: list(group) for line_id, group in groupby(points, key=lambda one: one.line_id)}
    labels = version_labels(one.digest for one in points)
    return [_row(line, of_line[line.pk], labels, now) for line in lines if line.pk in of_line]


def _row(line: Line, points: list[QualityPoint], labels: Mapping[str, str], now: datetime) -> QualityRow:
    last_at = max(one.last_at for one in points)
    return QualityRow(
        line=line,
        passed=proportion(sum(one.ok_count for one in points), sum(one.item_count for one in points)),
        stages=[_stage_row(stage, labels) for stage in stages_of(points)],
        stale_since=last_at if (now - last_at).total_seconds() > STALE_AFTER_S else None,
    )


def _stage_row(stage: StageSeries, labels: Mapping[str, str]) -> StageRow:
    return StageRow(
        version=labels.get(stage.digest, stage.digest[:12]),
        center_ratio=stage.chart.center_ratio,
        sigma_z=stage.chart.sigma_z,
        varies_beyond_chance=stage.varies_beyond_chance,
        point_count=len(stage.points),
        is_provisional=len(stage.points) < POINTS_FEW,
        outside_count=len(stage.outside),
    )


def _worst_first(rows: Iterable[QualityRow]) -> list[QualityRow]:
    return sorted((row for row in rows if row.stages), key=lambda row: -row.outside_count)


def _classes(device_ids: list[UUID], span: Span) -> list[ClassShown]:
    """The most frequent classes; their running shares are of all that was found."""
    bars = pareto(defects_by_class(device_ids, span))
    return [ClassShown(bar, 100 * bar.count / bars[0].count) for bar in bars[:CLASSES_SHOWN]]
