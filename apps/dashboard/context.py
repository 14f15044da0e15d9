"""What every page's frame shows: where one may go, what waits there, and who is signed in."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from apps.accounts.rights import Permission, Role
from apps.accounts.selectors import may, may_open
from apps.dashboard.addresses import address
from apps.dashboard.counters import waiting_counts
from apps.devices.models import Site


@dataclass(frozen=True, slots=True)
class Place:
    label: str
    view: str
    shortcut: str = ""
    count_means: str = ""


PLACES = (
    Place("Overview", "dashboard:overview", "f"),
    Place("Lines", "dashboard:lines"),
    Place("Devices", "dashboard:devices"),
    Place("Review", "defects:review", "r", "images wait for review"),
    Place("Quality", "dashboard:quality"),
    Place("Models", "models:list"),
    Place("Data", "datasets:list"),
    Place("Rollouts", "rollouts:list", "o", "rollouts wait for approval"),
    Place("Alerts", "alerts:list", "a", "alerts are open"),
    Place("Scorecard", "dashboard:scorecard"),
    Place("Planning", "dashboard:planning"),
    Place("Settings", "dashboard:settings"),
)


@dataclass(frozen=True, slots=True)
class Entry:
    key: str
    label: str
    url: str
    is_current: bool
    shortcut: str
    count: int
    count_means: str


@dataclass(frozen=True, slots=True)
class Frame:
    entries: list[Entry]
    roles: str
    zone: str
    at: str
    may_manage_people: bool
    may_manage_sites: bool
    may_see_audit: bool
    may_see_health: bool


def frame(request: HttpRequest) -> dict[str, Any]:
    return {"frame": SimpleLazyObject(lambda: frame_of(request))}


def frame_of(request: HttpRequest) -> Frame:
    """Costs four small queries; only pages with a frame pay them."""
    at = request.GET.get("at", "") if request.headers.get("HX-Request") else request.path
    counts = waiting_counts(request.user)
    places = [(place, address(place.view)) for place in PLACES if may_open(request.user, place.view)]
    known = [(place, url) for place, url in places if url]
    current = max((url for _, url in known if at == url or (url != "/" and at.startswith(url))), key=len, default="")
    entries = [
        Entry(
            key=place.label.lower(),
            label=place.label,
            url=url,
            is_current=url == current,
            shortcut=place.shortcut,
            count=counts.get(place.label.lower(), 0),
            count_means=place.count_means,
        )
        for place, url in known
    ]
    return Frame(
        entries=entries,
        roles=_roles(request.user),
        zone=_zone(),
        at=at,
        may_manage_people=may(request.user, Permission.MANAGE_PEOPLE),
        may_manage_sites=may(request.user, Permission.MANAGE_SITES),
        may_see_audit=may(request.user, Permission.SEE_AUDIT),
        may_see_health=may_open(request.user, "dashboard:health"),
    )


def _roles(user: Any) -> str:
    if not user.is_authenticated:
        return ""
    held = {membership.role for membership in user.memberships.all()}
    return ", ".join(str(label) for value, label in Role.choices if value in held) or "No role yet"


def _zone() -> str:
    return Site.objects.order_by("id").values_list("time_zone", flat=True).first() or "UTC"
