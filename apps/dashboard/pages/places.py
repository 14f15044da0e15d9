"""Sites and their lines: made, renamed and listed."""

from collections.abc import Callable
from dataclasses import dataclass

from django.contrib import messages
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from apps.accounts.models import User
from apps.accounts.rights import Permission
from apps.accounts.selectors import scope
from apps.core.errors import Forbidden, NotFound, Wrong
from apps.dashboard.forms import LineForm, SiteForm
from apps.dashboard.pages.people import asker
from apps.devices.models import Line, Site
from apps.devices.selectors import sites
from apps.devices.services import line_change as line_changed
from apps.devices.services import line_create, site_create
from apps.devices.services import site_change as site_changed


@dataclass(frozen=True, slots=True)
class Task:
    """What one form page is for."""

    title: str
    action: str
    done: str
    crumb: str = ""


@require_GET
def sites_page(request: HttpRequest) -> HttpResponse:
    held = scope(asker(request), Permission.MANAGE_SITES)
    return render(request, "dashboard/sites.html", {"sites": sites(scope=held), "may_add": held.is_all})


@require_http_methods(["GET", "POST"])
def site_add(request: HttpRequest) -> HttpResponse:
    person = asker(request)
    if not scope(person, Permission.MANAGE_SITES).is_all:
        raise Forbidden("You manage some sites only; an admin of all sites adds another one.")
    form = SiteForm(request.POST or None)
    task = Task("Add a site", "Add", "Site {name} is there. Add its lines next.")
    return _form_page(request, form, task, lambda said: site_create(**said, by=person))


@require_http_methods(["GET", "POST"])
def site_change(request: HttpRequest, site_id: int) -> HttpResponse:
    person = asker(request)
    site = _site(person, site_id)
    form = SiteForm(request.POST or None, initial={"name": site.name, "time_zone": site.time_zone})
    task = Task(f"Change {site.name}", "Save", "Site {name} is saved.", site.name)
    return _form_page(request, form, task, lambda said: site_changed(site_id=site.pk, **said, by=person))


@require_http_methods(["GET", "POST"])
def line_add(request: HttpRequest, site_id: int) -> HttpResponse:
    person = asker(request)
    site = _site(person, site_id)
    form = LineForm(request.POST or None)
    task = Task("Add a line", "Add", "{name} is there. Devices can be registered on it.", site.name)
    return _form_page(request, form, task, lambda said: line_create(site=site, **said, by=person))


@require_http_methods(["GET", "POST"])
def line_change(request: HttpRequest, line_id: int) -> HttpResponse:
    person = asker(request)
    line = Line.objects.select_related("site").filter(pk=line_id).first()
    if line is None:
        raise NotFound("There is no such line.")
    _site(person, line.site_id)
    form = LineForm(request.POST or None, initial={"name": line.name, "product": line.product})
    task = Task(f"Change {line.name}", "Save", "{name} is saved.", line.site.name)
    return _form_page(request, form, task, lambda said: line_changed(line_id=line.pk, **said, by=person))


def _site(person: User, site_id: int) -> Site:
    """Raises NotFound for a site that this person does not manage, as for one that does not exist."""
    site = sites(scope=scope(person, Permission.MANAGE_SITES)).filter(pk=site_id).first()
    if site is None:
        raise NotFound("There is no such site, or it is not yours to manage.")
    return site


def _form_page(request: HttpRequest, form: Form, task: Task, save: Callable[[dict[str, str]], object]) -> HttpResponse:
    """Show the form, or save what it says and go back to the list; what the service refuses stands beside its field."""
    if form.is_valid():
        try:
            save(form.cleaned_data)
        except Wrong as refusal:
            for field, text in refusal.fields.items() or [(None, refusal.text)]:
                form.add_error(field, text)
        else:
            messages.success(request, task.done.format(name=form.cleaned_data["name"]))
            return redirect("dashboard:sites")
    status = 400 if form.errors else 200
    return render(request, "dashboard/place_form.html", {"form": form, "task": task}, status=status)
