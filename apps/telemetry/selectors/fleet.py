"""Every device as it is now: four queries for any number of devices."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection

from apps.accounts.selectors import Scope
from apps.devices.models import Device
from apps.devices.states import Shown
from apps.telemetry.models import DeviceFacts, Window
from apps.telemetry.policy import ShownFacts, ShownState, shown_state
from apps.telemetry.selectors.latency import NO_ITEMS, Latency, latency_of

RECENT_S = 600.0
STRIP_HOURS = 24

_STRIP_SQL = """
SELECT device_id, date_trunc('hour', start, 'UTC'),
       sum(coalesce((verdict_counts->>'ok')::bigint, 0)),
       sum(coalesce((verdict_counts->>'defect')::bigint, 0)),
       sum(coalesce((verdict_counts->>'cannot_judge')::bigint, 0))
FROM telemetry_window
WHERE device_id = ANY(%s) AND start >= %s AND start < %s
GROUP BY 1, 2
"""


@dataclass(frozen=True, slots=True)
class StripHour:
    """One hour of the 24 h strip, and what was judged in it."""

    start: datetime
    ok_count: int = 0
    defect_count: int = 0
    cannot_judge_count: int = 0


@dataclass(frozen=True, slots=True)
class Recent:
    """The last ten minutes of one device, from its windows."""

    ok_count: int = 0
    defect_count: int = 0
    cannot_judge_count: int = 0
    no_model_count: int = 0
    """Of the items that could not be judged, those that came by while no model ran."""
    items_per_min: float = 0.0
    infer: Latency = NO_ITEMS
    total: Latency = NO_ITEMS

    @property
    def item_count(self) -> int:
        return self.ok_count + self.defect_count + self.cannot_judge_count


@dataclass(frozen=True, slots=True)
class DeviceNow:
    """One device as pages show it. Times are the server's; counts and latencies are of the last ten minutes."""

    device_id: str
    name: str
    line_id: int
    line: str
    product: str
    site_id: int
    site: str
    time_zone: str
    admission: str
    shown: Shown
    sentence: str
    facts: DeviceFacts
    """The latest it said of itself; an empty row for a device that was never heard of."""
    recent: Recent
    strip: tuple[StripHour, ...]
    """24 hours, oldest first, the current one last."""


def fleet(*, scope: Scope, now: datetime) -> list[DeviceNow]:
    """The devices at the sites that a person may see, by site, line and name."""
    rows = Device.objects.select_related("line__site").order_by("line__site__name", "line__name", "name")
    return _devices_now(list(scope.narrow(rows, "line__site_id")), now)


def device_now(*, device_id: str | UUID, now: datetime) -> DeviceNow | None:
    return next(iter(_devices_now(list(Device.objects.select_related("line__site").filter(pk=device_id)), now)), None)


def _devices_now(devices: list[Device], now: datetime) -> list[DeviceNow]:
    ids = [device.pk for device in devices]
    facts = {row.device_id: row for row in DeviceFacts.objects.filter(device_id__in=ids)}
    recent, strips = _recent(ids, now), _strips(ids, now)
    return [
        _device_now(device, facts.get(device.pk) or DeviceFacts(device_id=device.pk), recent[device.pk], strips, now)
        for device in devices
    ]


def _device_now(
    device: Device, facts: DeviceFacts, recent: Recent, strips: Mapping[UUID, tuple[StripHour, ...]], now: datetime
) -> DeviceNow:
    state = _shown(device, facts, recent, now)
    line, site = device.line, device.line.site
    return DeviceNow(
        device_id=str(device.pk),
        name=device.name,
        line_id=line.pk,
        line=line.name,
        product=line.product,
        site_id=site.pk,
        site=site.name,
        time_zone=site.time_zone,
        admission=device.state,
        shown=state.state,
        sentence=state.sentence,
        facts=facts,
        recent=recent,
        strip=strips[device.pk],
    )


def _shown(device: Device, facts: DeviceFacts, recent: Recent, now: datetime) -> ShownState:
    health = facts.health
    shown = ShownFacts(
        admission=device.state,
        admission_reason=device.state_reason,
        last_seen_at=facts.last_seen_at,
        last_item_at=facts.last_item_at,
        active_digest=facts.active_digest,
        update_state=facts.update_state,
        configuration_refused=facts.configuration_refused,
        disk_used_ratio=health.get("disk_used_ratio"),
        is_throttled=bool(health.get("is_throttled")),
        # That it had no model minutes ago says nothing against the one that runs now.
        item_count=recent.item_count - recent.no_model_count,
        cannot_judge_count=recent.cannot_judge_count - recent.no_model_count,
    )
    return shown_state(shown, now, settings.SILENT_AFTER_S)


def _recent(ids: Collection[UUID], now: datetime) -> dict[UUID, Recent]:
    since = now - timedelta(seconds=RECENT_S)
    by_device: defaultdict[UUID, list[Window]] = defaultdict(list)
    # By arrival too: what a device catches up on after an outage is not "now", whatever its clock says.
    for row in Window.objects.filter(device_id__in=ids, start__gte=since, arrived_at__gte=since):
        by_device[row.device_id].append(row)
    return {device_id: _recent_of(by_device[device_id]) for device_id in ids}


def _recent_of(rows: list[Window]) -> Recent:
    if not rows:
        return Recent()
    ok, defect, cannot_judge = (_sum(rows, verdict) for verdict in ("ok", "defect", "cannot_judge"))
    first = min(row.start for row in rows)
    last = max(row.start + timedelta(seconds=row.duration_s) for row in rows)
    minutes = max((last - first).total_seconds(), 1.0) / 60
    return Recent(
        ok_count=ok,
        defect_count=defect,
        cannot_judge_count=cannot_judge,
        no_model_count=_sum([row for row in rows if row.model_digest is None], "cannot_judge"),
        items_per_min=(ok + defect + cannot_judge) / minutes,
        infer=latency_of(row.infer_sketch for row in rows),
        total=latency_of(row.total_sketch for row in rows),
    )


def _sum(rows: Iterable[Window], verdict: str) -> int:
    return sum(row.verdict_counts.get(verdict, 0) for row in rows)


def _strips(ids: Collection[UUID], now: datetime) -> dict[UUID, tuple[StripHour, ...]]:
    this_hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    hours = [this_hour - timedelta(hours=ago) for ago in range(STRIP_HOURS - 1, -1, -1)]
    with connection.cursor() as cursor:
        cursor.execute(_STRIP_SQL, [list(ids), hours[0], this_hour + timedelta(hours=1)])
        found = {(row[0], row[1]): StripHour(row[1], *map(int, row[2:])) for row in cursor.fetchall()}
    return {one: tuple(found.get((one, hour)) or StripHour(hour) for hour in hours) for one in ids}
