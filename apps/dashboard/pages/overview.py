"""The overview: is every line inspecting, what needs a person, what changes right now."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from apps.accounts.rights import Permission
from apps.accounts.selectors import scope
from apps.core.statistics import Proportion, proportion
from apps.dashboard.addresses import address
from apps.dashboard.pages.first_run import first_run
from apps.dashboard.pages.kiosk import kiosk
from apps.dashboard.pages.lines import LineRow, devices_seen, line_rows
from apps.dashboard.pages.needs import needs
from apps.dashboard.pages.people import Asker, asker
from apps.dashboard.pages.sums import classes_found, verdicts
from apps.devices.models import Site
from apps.devices.selectors import devices as devices_of
from apps.devices.states import Shown
from apps.rollouts.models import Rollout
from apps.rollouts.states import TARGET_DONE, TARGET_FAILURES, RolloutState
from apps.telemetry.selectors import DeviceNow

SHIFT_H = 8
CLASSES_SHOWN = 8
TONES = {Shown.DEGRADED: "soon", Shown.STOPPED: "now", Shown.UNKNOWN: "unk"}
IN_MOTION = (RolloutState.RUNNING, RolloutState.PAUSED, RolloutState.RETURNING, RolloutState.SCHEDULED)


@dataclass(frozen=True, slots=True)
class Tile:
    state: str
    count: int
    text: str
    tone: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class StageBar:
    label: str
    weight: int
    done_ratio: float
    tone: str


@dataclass(frozen=True, slots=True)
class RolloutPanel:
    name: str
    state: str
    reason: str
    version: str
    url: str
    stages: list[StageBar]


@dataclass(frozen=True, slots=True)
class ClassBar:
    label: str
    count: int
    width_percent: float


@dataclass(frozen=True, slots=True)
class DefectsPanel:
    classes: list[ClassBar]
    passed: Proportion
    item_count: int
    """What a model looked at; the yield is of these."""
    no_model_count: int


def overview(request: HttpRequest) -> HttpResponse:
    if request.GET.get("kiosk") == "1":
        return kiosk(request)
    return render(request, "dashboard/overview.html", {**_main(request), **_side(request)})


def overview_main(request: HttpRequest) -> HttpResponse:
    """The tiles and the lines alone, for the live page."""
    return render(request, "dashboard/_overview_main.html", {**_main(request), "is_fragment": True})


def overview_side(request: HttpRequest) -> HttpResponse:
    return render(request, "dashboard/_overview_side.html", _side(request))


def _main(request: HttpRequest) -> dict[str, object]:
    now = timezone.now()
    state, site = request.GET.get("state", ""), request.GET.get("site", "")
    devices = [one for one in devices_seen(asker(request), now) if site in ("", str(one.site_id))]
    rows = line_rows(devices, now)
    return {
        "now": now,
        "tiles": tiles(devices, state),
        "rows": [row for row in rows if state in ("", row.state)],
        "line_count": len(rows),
        "state": state,
        "site": site,
        "sites": scope(asker(request), Permission.SEE_FLEET).narrow(Site.objects.order_by("name"), "id"),
        "first_run": first_run(is_inspecting=any(one.facts.active_digest for one in devices)),
    }


def tiles(devices: list[DeviceNow], chosen: str) -> list[Tile]:
    """One per shown state, also when it counts nothing: nothing jumps when a number changes."""
    counts = Counter(one.shown for one in devices)
    return [_tile(state, counts[state], devices, chosen) for state in Shown]


def _tile(state: Shown, count: int, devices: list[DeviceNow], chosen: str) -> Tile:
    first = next((one for one in devices if one.shown == state), None)
    text = f"of {len(devices)} devices" if devices else "no device yet"
    if state != Shown.INSPECTING:
        text = f"{first.line}: {first.sentence}" if first else "none"
    return Tile(state, count, text, TONES.get(state, "") if count else "", chosen == state)


def _side(request: HttpRequest) -> dict[str, object]:
    now = timezone.now()
    person = asker(request)
    return {
        "needs": needs(person, now),
        "rollout": rollout_panel(),
        "defects": _defects(person, now),
        "now": now,
        "shift_h": SHIFT_H,
    }


def _defects(person: Asker, now: datetime) -> DefectsPanel:
    ids = [str(pk) for pk in _device_ids(person)]
    since = now - timedelta(hours=SHIFT_H)
    found = classes_found(ids, since)
    shown, rest = found[:CLASSES_SHOWN], found[CLASSES_SHOWN:]
    if rest:
        shown = [*shown, (f"Other ({len(rest)})", sum(count for _, count in rest))]
    highest = max((count for _, count in shown), default=1)
    bars = [ClassBar(label or "Unnamed", count, 100 * count / highest) for label, count in shown]
    total = verdicts(ids, since)
    return DefectsPanel(bars, proportion(total.ok_count, total.item_count), total.item_count, total.no_model_count)


def _device_ids(person: Asker) -> list[UUID]:
    return list(devices_of(scope=scope(person, Permission.SEE_FLEET)).values_list("pk", flat=True))


def rollout_panel() -> RolloutPanel | None:
    """The newest rollout in motion, or None. Two queries."""
    rollout = Rollout.objects.filter(state__in=IN_MOTION).select_related("version__model").order_by("-id").first()
    if rollout is None:
        return None
    done, failed = Q(targets__state__in=TARGET_DONE), Q(targets__state__in=TARGET_FAILURES)
    stages = rollout.stages.annotate(
        all_count=Count("targets"),
        done_count=Count("targets", filter=done),
        failed_count=Count("targets", filter=failed),
    ).order_by("number")
    bars = [
        StageBar(
            label=f"{100 * stage.share_ratio:.0f} %: {stage.get_state_display().lower()}, "
            f"{stage.done_count} of {stage.all_count}",
            weight=max(stage.all_count, 1),
            done_ratio=stage.done_count / stage.all_count if stage.all_count else 0.0,
            tone="now" if stage.failed_count else "",
        )
        for stage in stages
    ]
    version = f"{rollout.version.model.name} {rollout.version.number}"
    url = address("rollouts:detail", rollout.pk)
    return RolloutPanel(rollout.name, rollout.state, rollout.state_reason, version, url, bars)


def lines(request: HttpRequest) -> HttpResponse:
    return render(request, "dashboard/lines.html", _lines(request))


def lines_table(request: HttpRequest) -> HttpResponse:
    return render(request, "dashboard/_lines_page.html", _lines(request))


def _lines(request: HttpRequest) -> dict[str, object]:
    now = timezone.now()
    rows: list[LineRow] = line_rows(devices_seen(asker(request), now), now)
    return {"rows": rows, "line_count": len(rows), "now": now}
