"""The andon wall: every line as one big tile, read from five metres, with nothing to click."""

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from apps.dashboard.pages.lines import LineRow, devices_seen, line_rows
from apps.dashboard.pages.people import asker
from apps.devices.models import Site
from apps.devices.states import Shown

TILES_MAX = 8
"""More would be too small to read, so the lines that inspect are then told by their number."""


@dataclass(frozen=True, slots=True)
class Andon:
    """sentence: empty while there is nothing to say but the state."""

    key: str
    title: str
    state: Shown
    sentence: str


def kiosk(request: HttpRequest) -> HttpResponse:
    return render(request, "dashboard/kiosk.html", _kiosk(request))


@require_GET
def kiosk_live(request: HttpRequest) -> HttpResponse:
    return render(request, "dashboard/_kiosk.html", _kiosk(request))


def _kiosk(request: HttpRequest) -> dict[str, object]:
    now, site = timezone.now(), request.GET.get("site", "")
    devices = [one for one in devices_seen(asker(request), now) if site in ("", str(one.site_id))]
    name = Site.objects.filter(pk=site).values_list("name", flat=True).first() if site.isdecimal() else None
    return {"tiles": andons(line_rows(devices, now)), "title": name or "All lines"}


def andons(rows: list[LineRow]) -> list[Andon]:
    """One per line in its usual place; with more than TILES_MAX lines, the inspecting ones are one tile at the end."""
    if len(rows) <= TILES_MAX:
        return [_andon(row) for row in rows]
    well_count = sum(row.state == Shown.INSPECTING for row in rows)
    others = [_andon(row) for row in rows if row.state != Shown.INSPECTING]
    if not well_count:
        return others
    return [*others, Andon("well", f"{well_count} line{'s' if well_count > 1 else ''}", Shown.INSPECTING, "")]


def _andon(row: LineRow) -> Andon:
    return Andon(str(row.line_id), row.name, row.state, "" if row.state == Shown.INSPECTING else row.sentence)
