"""How pages write times, lengths of time, shares and sizes; and how they show a state."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django import template
from django.utils import timezone
from django.utils.html import format_html

from apps.dashboard.looks import LOOKS, Look, look_of

register = template.Library()
NOTHING = "–"
MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86_400


@register.simple_tag
def look(cycle: str, state: str) -> Look:
    return look_of(cycle, state)


@register.inclusion_tag("_state.html")
def state(cycle: str, state: str, note: str = "") -> dict[str, str]:
    """`{% state "rollout" rollout.state %}`: the state's icon, word and colour."""
    assert cycle in LOOKS, cycle
    return {"cycle": cycle, "state": state, "note": note}


@register.filter
def plant_time(value: datetime | None, zone: Any = "UTC") -> str:
    """The time in the plant's zone (a name, or a thing with `time_zone`), with UTC on hover."""
    if value is None:
        return NOTHING
    local = value.astimezone(zone_of(zone))
    is_today = local.date() == timezone.now().astimezone(local.tzinfo).date()
    text = local.strftime("%H:%M:%S") if is_today else f"{local.day} {local.strftime('%b %H:%M')}"
    in_utc = value.astimezone(UTC)
    return format_html(
        '<time datetime="{}" title="{} UTC">{}</time>', in_utc.isoformat(), in_utc.strftime("%Y-%m-%d %H:%M:%S"), text
    )


def zone_of(zone: Any) -> ZoneInfo:
    name = getattr(zone, "time_zone", zone) or "UTC"
    try:
        return ZoneInfo(str(name))
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


@register.filter
def duration(value: float | timedelta | None) -> str:
    """A length of time from seconds: `0.6 s`, `42 s`, `14 min`, `3 h 5 min`, `2 d 4 h`."""
    if value is None:
        return NOTHING
    seconds = max(value.total_seconds() if isinstance(value, timedelta) else float(value), 0.0)
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 2 * MINUTE_S:
        return f"{seconds:.0f} s"
    if seconds < 2 * HOUR_S:
        return f"{seconds // MINUTE_S:.0f} min"
    if seconds < 2 * DAY_S:
        return f"{seconds // HOUR_S:.0f} h {seconds % HOUR_S // MINUTE_S:.0f} min"
    return f"{seconds // DAY_S:.0f} d {seconds % DAY_S // HOUR_S:.0f} h"


@register.filter
def age(value: datetime | None, now: datetime | None = None) -> str:
    """How long ago that was."""
    return NOTHING if value is None else duration((now or timezone.now()) - value)


@register.filter
def percent(ratio: float | None, digits: int = 1) -> str:
    return NOTHING if ratio is None else f"{100 * ratio:.{int(digits)}f} %"


@register.filter
def ppm(ratio: float | None) -> str:
    """A rare share: `9,936 ppm`."""
    return NOTHING if ratio is None else f"{1e6 * ratio:,.0f} ppm"


@register.filter
def milliseconds(value: float | None) -> str:
    if value is None:
        return NOTHING
    return f"{value:.1f} ms" if value < 10 else f"{value:.0f} ms"


@register.filter
def count(value: float | None) -> str:
    return NOTHING if value is None else f"{value:,.0f}"


@register.filter
def bytes(value: float | None) -> str:
    """A size in decimal units: `3.1 MB`."""
    if value is None:
        return NOTHING
    size = float(value)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


@register.filter
def digest(value: str | None) -> str:
    """The first 12 characters of a digest, whole on hover."""
    return format_html('<code title="{}">{}</code>', value, value[:12]) if value else NOTHING


@register.filter
def words(value: str) -> str:
    """`health_check` as a person writes it."""
    return str(value).replace("_", " ")
