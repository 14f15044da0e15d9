"""The device list, and registering a device."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from apps.accounts.rights import Permission
from apps.accounts.selectors import may, scope
from apps.accounts.services import require
from apps.dashboard.forms import DeviceFilterForm, DeviceRegisterForm
from apps.dashboard.pages.lines import version_labels
from apps.dashboard.pages.people import asker
from apps.devices.services import device_register
from apps.telemetry.selectors import DeviceNow, fleet

PAGE_SIZE = 50


@require_GET
def devices(request: HttpRequest) -> HttpResponse:
    return render(request, "dashboard/devices.html", _devices(request))


@require_GET
def devices_table(request: HttpRequest) -> HttpResponse:
    return render(request, "dashboard/_devices_table.html", _devices(request))


def _devices(request: HttpRequest) -> dict[str, object]:
    now, held = timezone.now(), scope(asker(request), Permission.SEE_FLEET)
    form = DeviceFilterForm(request.GET, scope=held)
    everyone = fleet(scope=held, now=now)
    found = [one for one in everyone if _fits(one, form, request.GET.get("line", ""))]
    page = Paginator(found, PAGE_SIZE).get_page(request.GET.get("page"))
    labels = version_labels(one.facts.active_digest for one in page)
    return {
        "form": form,
        "page": page,
        "rows": [(one, labels.get(one.facts.active_digest or "")) for one in page],
        "device_count": len(everyone),
        "may_enrol": may(asker(request), Permission.ENROL_DEVICE),
        "now": now,
    }


def _fits(device: DeviceNow, form: DeviceFilterForm, line_id: str) -> bool:
    """A filter that makes no sense filters nothing: an old link still shows a page."""
    wanted = form.cleaned_data if form.is_valid() else {}
    text = wanted.get("text", "").lower()
    return (
        (not text or text in device.name.lower() or text in device.line.lower())
        and wanted.get("state", "") in ("", device.shown)
        and wanted.get("site", "") in ("", str(device.site_id))
        and line_id in ("", str(device.line_id))
    )


@require_http_methods(["GET", "POST"])
def device_add(request: HttpRequest) -> HttpResponse:
    person = asker(request)
    form = DeviceRegisterForm(request.POST or None, scope=scope(person, Permission.ENROL_DEVICE))
    if form.is_valid():
        line = form.cleaned_data["line"]
        require(person, Permission.ENROL_DEVICE, line.site_id)
        device = device_register(line=line, name=form.cleaned_data["name"], actor=f"user:{person.username}")
        messages.success(request, f"{device.name} is registered. Issue its one-time code when you stand beside it.")
        return redirect("dashboard:device", device.pk)
    context = {"form": form, "has_line": form.has_line}
    return render(request, "dashboard/device_add.html", context, status=400 if form.errors else 200)
