"""Lines as a plant manager reads them: the worst device decides how a line is shown."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from apps.accounts.rights import Permission
from apps.accounts.selectors import scope
from apps.dashboard.pages.people import Asker
from apps.dashboard.pages.sums import reject_trends
from apps.devices.states import Admission, Shown
from apps.models.models import ModelVersion
from apps.rollouts.models import Desired
from apps.telemetry.selectors import DeviceNow, StripHour, fleet

WORST_FIRST = (Shown.STOPPED, Shown.UNKNOWN, Shown.DEGRADED, Shown.UPDATING, Shown.INSPECTING)
CANNOT_JUDGE_MAX_RATIO = 0.2
SPARK_WIDTH_PX, SPARK_HEIGHT_PX = 62, 20


@dataclass(frozen=True, slots=True)
class VersionShown:
    label: str
    is_wanted: bool
    """Whether it is what the line's devices should run."""


@dataclass(frozen=True, slots=True)
class LineRow:
    line_id: int
    name: str
    site: str
    product: str
    time_zone: str
    state: Shown
    sentence: str
    device_id: str
    """The device that decides the state."""
    device_count: int
    last_item_at: datetime | None
    strip: list[str]
    """24 css classes, one an hour, oldest first."""
    items_per_hour: float
    reject_ratio: float | None
    spark: str
    """An SVG path; empty without two points."""
    total_p95_ms: float | None
    versions: list[VersionShown]
    backlog_count: int


def devices_seen(asker: Asker, now: datetime) -> list[DeviceNow]:
    """Every device that this person may see and that is not taken away."""
    devices = fleet(scope=scope(asker, Permission.SEE_FLEET), now=now)
    return [one for one in devices if one.admission != Admission.DECOMMISSIONED]


def line_rows(devices: list[DeviceNow], now: datetime) -> list[LineRow]:
    """One row per line, in the order of the devices. Three queries for any number of lines."""
    trends = reject_trends([one.device_id for one in devices], now)
    labels = version_labels(one.facts.active_digest for one in devices)
    wanted = dict(Desired.objects.filter(version__isnull=False).values_list("device_id", "version__digest"))
    wanted_of = {str(device_id): digest for device_id, digest in wanted.items()}
    return [
        _row(list(group), trends[line_id], labels, wanted_of)
        for line_id, group in groupby(devices, key=lambda one: one.line_id)
    ]


def version_labels(digests: Iterable[str | None]) -> dict[str, str]:
    """`cells 13` for each digest that the registry knows."""
    known = ModelVersion.objects.filter(digest__in={one for one in digests if one})
    rows = known.values_list("digest", "model__name", "number")
    return {digest: f"{name} {number}" for digest, name, number in rows}


def _row(group: list[DeviceNow], trend: list[float | None], labels: dict[str, str], wanted: dict[str, str]) -> LineRow:
    worst = min(group, key=lambda one: WORST_FIRST.index(one.shown))
    ok, defect = sum(one.recent.ok_count for one in group), sum(one.recent.defect_count for one in group)
    return LineRow(
        line_id=worst.line_id,
        name=worst.line,
        site=worst.site,
        product=worst.product,
        time_zone=worst.time_zone,
        state=worst.shown,
        sentence=worst.sentence,
        device_id=worst.device_id,
        device_count=len(group),
        last_item_at=max((one.facts.last_item_at for one in group if one.facts.last_item_at), default=None),
        strip=strip_classes(group),
        items_per_hour=60 * sum(one.recent.items_per_min for one in group),
        reject_ratio=defect / (ok + defect) if ok + defect else None,
        spark=spark_path(trend),
        # The slowest device: a line is as late as its latest verdict.
        total_p95_ms=max((one.recent.total.p95_ms for one in group if one.recent.total.p95_ms), default=None),
        versions=_versions(group, labels, wanted),
        backlog_count=sum(one.facts.backlog_count for one in group),
    )


def _versions(group: list[DeviceNow], labels: dict[str, str], wanted: dict[str, str]) -> list[VersionShown]:
    shown = {}
    for one in group:
        digest = one.facts.active_digest
        label = labels.get(digest, digest[:8]) if digest else "none"
        shown[label] = VersionShown(label, is_wanted=wanted.get(one.device_id, digest) == digest)
    return list(shown.values())


def strip_classes(group: list[DeviceNow]) -> list[str]:
    """Per hour: nothing yet (e), nothing heard (u), cannot judge too much (d), or judged (empty)."""
    hours = [_sum_of(hours) for hours in zip(*(one.strip for one in group), strict=True)]
    first = next((number for number, (items, _) in enumerate(hours) if items), len(hours))
    return [_hour_class(items, cannot_judge, number < first) for number, (items, cannot_judge) in enumerate(hours)]


def _sum_of(hours: tuple[StripHour, ...]) -> tuple[int, int]:
    cannot_judge = sum(one.cannot_judge_count for one in hours)
    return sum(one.ok_count + one.defect_count for one in hours) + cannot_judge, cannot_judge


def _hour_class(item_count: int, cannot_judge_count: int, is_before_first: bool) -> str:  # noqa: FBT001
    if not item_count:
        return "e" if is_before_first else "u"
    return "d" if cannot_judge_count > CANNOT_JUDGE_MAX_RATIO * item_count else ""


def spark_path(trend: list[float | None]) -> str:
    """The trend as an SVG path; a step without items breaks the line. Scaled to its own highest value."""
    points = [(number, value) for number, value in enumerate(trend) if value is not None]
    if len(points) < 2:
        return ""
    highest = max(value for _, value in points) or 1.0
    step_px = SPARK_WIDTH_PX / max(len(trend) - 1, 1)
    parts, before = [], None
    for number, value in points:
        y = SPARK_HEIGHT_PX - 3 - value / highest * (SPARK_HEIGHT_PX - 6)
        parts.append(f"{'L' if before == number - 1 else 'M'}{number * step_px:.1f} {y:.1f}")
        before = number
    return "".join(parts)
