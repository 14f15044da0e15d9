"""The running chart of one line: AI rejects against limits that restart with every model version. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from apps.core.statistics import SIGMA_Z_WARNING, ControlChart, Subgroup, p_chart, staged_charts
from apps.dashboard.pages.quality_counts import QualityPoint

POINTS_FEW = 20
"""Below this many subgroups limits move with every new one (Montgomery asks for 20 to 25)."""
Figure = dict[str, Any]
Gapped = list[Any]


@dataclass(frozen=True, slots=True)
class StageSeries:
    """One model version on one line: its points, and the limits that they make."""

    digest: str
    points: tuple[QualityPoint, ...]
    chart: ControlChart
    plain: ControlChart

    @property
    def outside(self) -> list[QualityPoint]:
        limits = zip(self.points, self.chart.limits, strict=True)
        return [point for point, one in limits if not one.hold(share_ratio(point))]

    @property
    def varies_beyond_chance(self) -> bool:
        return (self.chart.sigma_z or 0.0) > SIGMA_Z_WARNING


def share_ratio(point: QualityPoint) -> float:
    return point.defect_count / point.judged_count


def stages_of(points: Sequence[QualityPoint]) -> list[StageSeries]:
    """One line's points by model version, by first appearance. Steps without a judged item have no share."""
    judged = [one for one in points if one.judged_count]
    charts = staged_charts([(one.digest, _subgroup(one)) for one in judged])
    return [_series(digest, chart, [one for one in judged if one.digest == digest]) for digest, chart in charts.items()]


def _series(digest: str, chart: ControlChart, points: list[QualityPoint]) -> StageSeries:
    return StageSeries(digest, tuple(points), chart, p_chart([_subgroup(one) for one in points]))


def _subgroup(point: QualityPoint) -> Subgroup:
    return Subgroup(point.defect_count, point.judged_count)


def quality_figure(stages: Sequence[StageSeries], labels: Mapping[str, str], zone: ZoneInfo, *, step_s: int) -> Figure:
    """Shares in percent, p' limits solid, plain p limits dotted, points outside p' as amber diamonds."""
    marks = [_version_mark(stage, _version(stage, labels), zone) for stage in stages]
    return {
        "data": [
            trace
            for number, stage in enumerate(stages)
            for trace in _traces(stage, zone, step_s=step_s, is_first=not number)
        ],
        "layout": {
            "xaxis": {"title": {"text": f"plant time ({zone.key})"}},
            "yaxis": {"title": {"text": "AI reject, %"}, "rangemode": "tozero"},
            "shapes": [mark[0] for mark in marks],
            "annotations": [mark[1] for mark in marks],
            # Above the versions' names, which stand right over the chart.
            "legend": {"orientation": "h", "y": 1.13, "yanchor": "bottom", "x": 0},
            "hovermode": "closest",
        },
    }


def _traces(stage: StageSeries, zone: ZoneInfo, *, step_s: int, is_first: bool) -> list[Figure]:
    """One legend entry per kind, not per version: a version is named at its line."""
    centers = [stage.chart.center_ratio] * len(stage.points)
    highs, lows = ([one.high for one in stage.chart.limits], [one.low for one in stage.chart.limits])
    plain_highs, plain_lows = ([one.high for one in stage.plain.limits], [one.low for one in stage.plain.limits])
    drawn = (
        ("p limits", plain_highs, {"color": "var(--ink-faint)", "dash": "dot", "shape": "hvh", "width": 1}),
        ("p limits", plain_lows, {"color": "var(--ink-faint)", "dash": "dot", "shape": "hvh", "width": 1}),
        ("p′ limits", highs, {"color": "var(--act-soon)", "shape": "hvh", "width": 1}),
        ("p′ limits", lows, {"color": "var(--act-soon)", "shape": "hvh", "width": 1}),
        ("centre", centers, {"color": "var(--ink-faint)", "width": 1}),
        ("AI reject", [share_ratio(one) for one in stage.points], {"color": "var(--series-1)", "width": 1.4}),
    )
    times = _gapped([_spelled(one, zone) for one in stage.points], stage, step_s)
    named: set[str] = set() if is_first else {name for name, _, _ in drawn}
    traces = []
    for name, ratios, line in drawn:
        percents = _gapped([100 * one for one in ratios], stage, step_s)
        traces.append(_line(name, times, percents, line=line, is_named=name not in named))
        named.add(name)
    return [*traces, _marks(stage, zone)]


def _line(name: str, times: Gapped, percents: Gapped, *, line: Figure, is_named: bool) -> Figure:
    return {
        "type": "scatter", "mode": "lines", "name": name, "legendgroup": name, "showlegend": is_named,
        "x": times, "y": percents, "line": line, "hoverinfo": "skip", "connectgaps": False,
    }  # fmt: skip


def _gapped(values: Sequence[Any], stage: StageSeries, step_s: int) -> Gapped:
    """None between two points that are more than a step apart: nothing is drawn over a time without items."""
    found: Gapped = [values[0]]
    for value, (before, after) in zip(values[1:], pairwise(stage.points), strict=True):
        found += [value] if (after.at - before.at).total_seconds() <= step_s else [None, value]
    return found


def _marks(stage: StageSeries, zone: ZoneInfo) -> Figure:
    outside = set(stage.outside)
    marker = {
        "size": [10 if one in outside else 5 for one in stage.points],
        "symbol": ["diamond" if one in outside else "circle" for one in stage.points],
        "color": ["var(--act-soon)" if one in outside else "var(--series-1)" for one in stage.points],
    }
    return {
        "type": "scatter", "mode": "markers", "name": "steps", "legendgroup": "AI reject", "showlegend": False,
        "x": [_spelled(one, zone) for one in stage.points], "y": [100 * share_ratio(one) for one in stage.points],
        "marker": marker, "customdata": [[one.judged_count] for one in stage.points],
        "hovertemplate": "%{x}<br>%{y:.2f} % of %{customdata[0]:,} judged<extra></extra>",
    }  # fmt: skip


def _version_mark(stage: StageSeries, label: str, zone: ZoneInfo) -> tuple[Figure, Figure]:
    """A line over the chart's whole height where a version began, and its name."""
    at = _spelled(stage.points[0], zone)
    line = {"color": "var(--ink-soft)", "width": 1, "dash": "dash"}
    shape = {"type": "line", "xref": "x", "yref": "paper", "x0": at, "x1": at, "y0": 0, "y1": 1, "line": line}
    place = {"xref": "x", "yref": "paper", "x": at, "y": 1, "xanchor": "left", "yanchor": "bottom", "showarrow": False}
    return shape, {**place, "text": label}


def _version(stage: StageSeries, labels: Mapping[str, str]) -> str:
    return labels.get(stage.digest, stage.digest[:12])


def _spelled(point: QualityPoint, zone: ZoneInfo) -> str:
    """Plotly writes times as they are spelled, so they are spelled in the plant's zone."""
    return point.at.astimezone(zone).replace(tzinfo=None).isoformat()
