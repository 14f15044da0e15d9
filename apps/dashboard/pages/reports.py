"""What one device reported last: its results, and what else happened to it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from apps.dashboard.pages.lines import version_labels
from apps.dashboard.pages.people import Asker, asker, device_seen
from apps.defects.selectors import pictures_of
from apps.devices.models import Command, Device
from apps.telemetry.models import ControlRecord, Result
from apps.telemetry.selectors import control_recent, results_recent

RESULTS_SHOWN = 20
EVENTS_SHOWN = 20
TEXT_SHOWN = 160


@dataclass(frozen=True, slots=True)
class ResultRow:
    result: Result
    rest_ms: float
    """From trigger to verdict, without the inference."""
    flag_id: int | None
    """The image that was kept of it and has arrived; None too when this person may see no images."""


@dataclass(frozen=True, slots=True)
class EventRow:
    """One report in a sentence. cycle, state: how its outcome is shown; else an icon of its own with a tone."""

    at: datetime
    title: str
    text: str
    cycle: str = ""
    state: str = ""
    icon: str = "info"
    tone: str = "ok"


@dataclass(frozen=True, slots=True)
class Names:
    """What the ids in reports stand for."""

    versions: dict[str, str]
    commands: dict[str, str]

    def version(self, digest: str) -> str:
        return self.versions.get(digest) or digest[:12]


@require_GET
def device_results(request: HttpRequest, device_id: UUID) -> HttpResponse:
    found = device_seen(asker(request), device_id)
    return render(request, "dashboard/_device_results.html", results_shown(asker(request), found))


@require_GET
def device_events(request: HttpRequest, device_id: UUID) -> HttpResponse:
    found = device_seen(asker(request), device_id)
    return render(request, "dashboard/_device_events.html", events_shown(found))


def results_shown(person: Asker, found: Device) -> dict[str, object]:
    """The newest results, with the pictures that were kept of them. Two queries."""
    results = results_recent(device_id=found.pk, now=timezone.now(), limit=RESULTS_SHOWN)
    kept = pictures_of(person, [(one.stream_id, one.seq) for one in results if one.image_sha256])
    rows = [
        ResultRow(one, max(one.total_ms - one.infer_ms, 0.0), kept.get((one.stream_id, one.seq))) for one in results
    ]
    return {"device": found, "results": rows}


def events_shown(found: Device) -> dict[str, object]:
    """The newest update steps, alarms, answers and losses. Three queries."""
    records = control_recent(device_id=found.pk, kinds=tuple(_READERS), limit=EVENTS_SHOWN)
    names = Names(
        version_labels(one.body.get("version_digest") for one in records),
        _command_words(one.body.get("command_id", "") for one in records if one.kind == "command_answer"),
    )
    return {"device": found, "events": [_READERS[one.kind](one, names) for one in records]}


def _command_words(command_ids: Iterable[str]) -> dict[str, str]:
    rows = Command.objects.filter(pk__in={one for one in command_ids if _is_uuid(one)})
    return {str(pk): kind.replace("_", " ") for pk, kind in rows.values_list("pk", "kind")}


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _update_step(record: ControlRecord, names: Names) -> EventRow:
    body = record.body
    title = f"Update to {names.version(body['version_digest'])}"
    return EventRow(record.at, title, body.get("reason", ""), cycle="target", state=body["state"])


def _alarm(record: ControlRecord, _names: Names) -> EventRow:
    code = str(record.body["code"]).replace("_", " ").capitalize()
    return EventRow(record.at, code, record.body.get("text", ""), icon="megaphone", tone="soon")


def _command_answer(record: ControlRecord, names: Names) -> EventRow:
    body = record.body
    title = names.commands.get(body["command_id"], "A command").capitalize()
    return EventRow(record.at, title, body.get("text", "")[:TEXT_SHOWN], cycle="command", state=body["outcome"])


def _configuration(record: ControlRecord, _names: Names) -> EventRow:
    title = f"Configuration {record.body['revision']}"
    if record.body["is_applied"]:
        return EventRow(record.at, title, "It runs.", icon="settings-2")
    return EventRow(record.at, title, f"Refused: {record.body.get('reason', '')}", icon="settings-2", tone="soon")


def _tombstone(record: ControlRecord, _names: Names) -> EventRow:
    body = record.body
    text = f"{body['count']:,} of kind {body['lost_kind'].replace('_', ' ')}: {body['reason']}"
    return EventRow(record.at, "Lost on the device", text, icon="archive", tone="soon")


_READERS: dict[str, Callable[[ControlRecord, Names], EventRow]] = {
    "update_step": _update_step,
    "alarm": _alarm,
    "command_answer": _command_answer,
    "configuration_reported": _configuration,
    "tombstone": _tombstone,
}
"""By the record's kind on the wire; health has a panel of its own."""
