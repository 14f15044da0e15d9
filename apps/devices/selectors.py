from dataclasses import dataclass
from datetime import datetime
from functools import cache
from uuid import UUID
from zoneinfo import available_timezones

import msgspec
from django.db.models import Count, Prefetch, QuerySet

from apps.accounts.selectors import Scope
from apps.devices.models import Command, ConfigurationRevision, Device, Line, Site
from edge_agent.wire.configuration import Configuration


@dataclass(frozen=True, slots=True)
class DeviceKey:
    """Who a token may speak for. public_key: raw Ed25519, base64url without padding; "" before enrolment."""

    id: str
    public_key: str
    state: str
    site_id: int
    line_id: int
    name: str


def device_key(*, device_id: str) -> DeviceKey | None:
    """None for an id that is no device's."""
    try:
        key = UUID(device_id)
    except ValueError:
        return None
    device = Device.objects.select_related("line").filter(pk=key).first()
    if device is None:
        return None
    return DeviceKey(
        id=str(device.pk),
        public_key=device.public_key,
        state=device.state,
        site_id=device.line.site_id,
        line_id=device.line_id,
        name=device.name,
    )


def configuration_desired(*, device_id: str | UUID) -> tuple[int, Configuration]:
    """The highest revision and what it says; revision 0 and the defaults when nobody ever set one."""
    row = ConfigurationRevision.objects.filter(device_id=device_id).order_by("-revision").first()
    if row is None:
        return 0, Configuration()
    return row.revision, msgspec.convert(row.body, Configuration)


def configuration_history(*, device_id: str | UUID) -> QuerySet[ConfigurationRevision]:
    rows = ConfigurationRevision.objects.filter(device_id=device_id)
    return rows.select_related("created_by").order_by("-revision")


def commands_recent(*, device_id: str | UUID, since: datetime) -> QuerySet[Command]:
    rows = Command.objects.filter(device_id=device_id, created_at__gte=since)
    return rows.select_related("created_by").order_by("-created_at")


def devices(*, scope: Scope) -> QuerySet[Device]:
    """The devices at the sites that a person may see, by name, with line and site."""
    return scope.narrow(Device.objects.select_related("line__site").order_by("name"), "line__site_id")


def sites(*, scope: Scope) -> QuerySet[Site]:
    """The sites that a person may see, by name, each with its lines and their `device_count`. Two queries."""
    lines = Line.objects.annotate(device_count=Count("devices")).order_by("name")
    return scope.narrow(Site.objects.order_by("name").prefetch_related(Prefetch("lines", lines)), "id")


@cache
def time_zones() -> tuple[str, ...]:
    """The names of the time zones that this machine knows, sorted. Read once: it walks a folder of 600 files."""
    return tuple(sorted(available_timezones()))
