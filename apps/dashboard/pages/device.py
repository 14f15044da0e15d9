"""One device: what it does, what it should do, and what a person may tell it."""

from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from apps.accounts.models import User
from apps.accounts.rights import Permission
from apps.accounts.selectors import may
from apps.core.errors import NotFound
from apps.dashboard.forms import ConfigurationForm
from apps.dashboard.pages.lines import version_labels
from apps.dashboard.pages.people import asker, device_seen
from apps.dashboard.pages.reports import events_shown, results_shown
from apps.devices.models import Device
from apps.devices.selectors import commands_recent, configuration_desired, configuration_history
from apps.devices.services import (
    command_queue,
    configuration_set,
    device_decommission,
    device_quarantine,
    device_release,
    enrolment_code_issue,
)
from apps.rollouts.models import Desired
from apps.telemetry.selectors import device_now
from edge_agent.wire.words import CommandKind

INFER_LIMIT_MS, TOTAL_LIMIT_MS = 45.0, 200.0
"""What the product promises on the demo machine: local inference p95, and trigger to verdict."""
COMMANDS_SHOWN = 8
REVISIONS_SHOWN = 5
COMMANDS_S = 7 * 86_400
ADMISSION_VERBS = {"quarantine": device_quarantine, "release": device_release, "decommission": device_decommission}


@require_GET
def device(request: HttpRequest, device_id: UUID) -> HttpResponse:
    found = device_seen(asker(request), device_id)
    return _page(request, found, _configuration_form(found))


@require_GET
def device_status(request: HttpRequest, device_id: UUID) -> HttpResponse:
    found = device_seen(asker(request), device_id)
    return render(request, "dashboard/_device_status.html", _status(found))


@require_GET
def device_commands(request: HttpRequest, device_id: UUID) -> HttpResponse:
    found = device_seen(asker(request), device_id)
    return render(request, "dashboard/_device_commands.html", _commands(asker(request), found))


@require_POST
def device_command(request: HttpRequest, device_id: UUID) -> HttpResponse:
    found = device_seen(asker(request), device_id, Permission.COMMAND_DEVICE)
    command_queue(device_id=found.pk, kind=CommandKind.HEALTH_CHECK, by=asker(request), now=timezone.now())
    messages.success(request, "The device hears the command at its next check-in.")
    return redirect("dashboard:device", found.pk)


@require_POST
def device_configure(request: HttpRequest, device_id: UUID) -> HttpResponse:
    person = asker(request)
    found = device_seen(person, device_id, Permission.CONFIGURE_DEVICE)
    form = ConfigurationForm(request.POST)
    if not form.is_valid():
        return _page(request, found, form, status=400)
    wanted, reason = form.cleaned_data["configuration"], form.cleaned_data["reason"]
    row = configuration_set(device_id=found.pk, configuration=wanted, by=person, reason=reason, now=timezone.now())
    messages.success(request, f"Revision {row.revision} is desired now; the device reports when it runs it.")
    return redirect("dashboard:device", found.pk)


@require_POST
def device_admission(request: HttpRequest, device_id: UUID, verb: str) -> HttpResponse:
    person = asker(request)
    found = device_seen(person, device_id, Permission.ENROL_DEVICE)
    if verb not in ADMISSION_VERBS:
        raise NotFound("There is no such action.")
    reason = request.POST.get("reason", "").strip() or "no reason given"
    is_done = ADMISSION_VERBS[verb](
        device_id=found.pk, reason=reason, actor=f"user:{person.username}", now=timezone.now()
    )
    messages.success(request, "Done.") if is_done else messages.error(request, "Its state had changed; nothing done.")
    return redirect("dashboard:device", found.pk)


@require_POST
def device_code(request: HttpRequest, device_id: UUID) -> HttpResponse:
    """Issue a one-time code and show it in this one reply; it is kept only as a hash."""
    found = device_seen(asker(request), device_id, Permission.ENROL_DEVICE)
    code = enrolment_code_issue(device=found, by=asker(request), now=timezone.now())
    host = request.get_host().rpartition(":")[0] or request.get_host()
    gateway = f"{request.scheme}://{host}:{settings.GATEWAY_PORT}"
    reply = render(request, "dashboard/device_code.html", {"device": found, "code": code, "gateway": gateway})
    reply.headers["Cache-Control"] = "no-store"
    return reply


def _page(request: HttpRequest, found: Device, form: ConfigurationForm, status: int = 200) -> HttpResponse:
    person, site_id = asker(request), found.line.site_id
    revision, _ = configuration_desired(device_id=found.pk)
    context = {
        **_status(found),
        **_commands(person, found),
        **results_shown(person, found),
        **events_shown(found),
        "form": form,
        "revision": revision,
        "history": configuration_history(device_id=found.pk)[:REVISIONS_SHOWN],
        "may_configure": may(person, Permission.CONFIGURE_DEVICE, site_id),
        "may_enrol": may(person, Permission.ENROL_DEVICE, site_id),
    }
    return render(request, "dashboard/device.html", context, status=status)


def _configuration_form(found: Device) -> ConfigurationForm:
    _, configuration = configuration_desired(device_id=found.pk)
    return ConfigurationForm(initial=ConfigurationForm.initial_of(configuration))


def _status(found: Device) -> dict[str, object]:
    now = timezone.now()
    seen = device_now(device_id=found.pk, now=now)
    assert seen is not None, "devices are never deleted"
    desired = Desired.objects.filter(device=found).values_list("version__digest", flat=True).first()
    facts = seen.facts
    labels = version_labels([facts.active_digest, facts.previous_digest, desired])
    return {
        "device": found,
        "seen": seen,
        "now": now,
        "versions": [
            (word, digest, labels.get(digest or ""))
            for word, digest in (("Runs", facts.active_digest), ("Before", facts.previous_digest), ("Desired", desired))
        ],
        "is_version_wanted": desired is None or desired == facts.active_digest,
        "infer_limit_ms": INFER_LIMIT_MS,
        "total_limit_ms": TOTAL_LIMIT_MS,
    }


def _commands(person: User, found: Device) -> dict[str, object]:
    now = timezone.now()
    since = now - timedelta(seconds=COMMANDS_S)
    return {
        "device": found,
        "now": now,
        "commands": commands_recent(device_id=found.pk, since=since)[:COMMANDS_SHOWN],
        "may_command": may(person, Permission.COMMAND_DEVICE, found.line.site_id),
    }
