"""Settings: oneself, people and their roles, and the audit chain."""

from dataclasses import dataclass

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from apps.accounts.models import User
from apps.accounts.rights import PERMISSIONS, Permission, Role
from apps.accounts.selectors import memberships, people
from apps.accounts.services import membership_set, user_activate, user_create
from apps.core.errors import Wrong
from apps.core.models import AuditRow
from apps.core.selectors import audit_first_break
from apps.dashboard.forms import AuditFilterForm, PersonForm
from apps.dashboard.pages.people import asker
from apps.devices.models import Site

AUDIT_PAGE_SIZE = 50


@dataclass(frozen=True, slots=True)
class Cell:
    role: str
    label: str
    is_held: bool
    site_names: str
    """Where else than everywhere the role is held."""


@dataclass(frozen=True, slots=True)
class PersonRow:
    user: User
    cells: list[Cell]


@require_GET
def settings(request: HttpRequest) -> HttpResponse:
    person = asker(request)
    sites = dict(Site.objects.values_list("id", "name"))
    held = [(Role(one.role).label, sites.get(one.site_id or 0, "All sites")) for one in memberships(person)]
    allowed = {permission for one in memberships(person) for permission in PERMISSIONS.get(one.role, ())}
    words = [one.value.replace("_", " ") for one in Permission if one in allowed]
    return render(request, "dashboard/settings.html", {"held": held, "words": words})


@require_GET
def people_page(request: HttpRequest) -> HttpResponse:
    return _people(request, PersonForm())


def _people(request: HttpRequest, form: PersonForm, status: int = 200) -> HttpResponse:
    sites = dict(Site.objects.values_list("id", "name"))
    rows = [PersonRow(user, _cells(user, sites)) for user in people()]
    rights = [
        (permission.value.replace("_", " "), [permission in PERMISSIONS[role] for role in Role])
        for permission in Permission
    ]
    context = {"rows": rows, "roles": Role.choices, "rights": rights, "form": form}
    return render(request, "dashboard/people.html", context, status=status)


def _cells(user: User, sites: dict[int, str]) -> list[Cell]:
    held = [(one.role, one.site_id) for one in memberships(user)] if user.is_active else []
    return [
        Cell(
            role=value,
            label=str(label),
            is_held=(value, None) in held,
            site_names=", ".join(sites.get(site, "?") for role, site in held if role == value and site is not None),
        )
        for value, label in Role.choices
    ]


@require_POST
def person_add(request: HttpRequest) -> HttpResponse:
    form = PersonForm(request.POST)
    if not form.is_valid():
        return _people(request, form, status=400)
    said = form.cleaned_data
    site_id = said["site"].pk if said["site"] else None
    try:
        user = user_create(
            username=said["username"],
            password=said["password"],
            memberships=[(Role(said["role"]), site_id)],
            by=asker(request),
        )
    except Wrong as refusal:
        for field, text in refusal.fields.items() or [(None, refusal.text)]:
            form.add_error(field, text)
        return _people(request, form, status=400)
    messages.success(request, f"{user.username} can sign in now.")
    return redirect("dashboard:people")


@require_POST
def role_set(request: HttpRequest, user_id: int) -> HttpResponse:
    try:
        role = Role(request.POST.get("role", ""))
    except ValueError as exc:
        raise Wrong("There is no such role.", code="unknown_role") from exc
    is_held = request.POST.get("is_held") == "1"
    membership_set(user_id=user_id, role=role, site_id=None, is_held=is_held, by=asker(request))
    return redirect("dashboard:people")


@require_POST
def person_activate(request: HttpRequest, user_id: int) -> HttpResponse:
    user_activate(user_id=user_id, is_active=request.POST.get("is_active") == "1", by=asker(request))
    return redirect("dashboard:people")


@require_GET
def audit(request: HttpRequest) -> HttpResponse:
    form = AuditFilterForm(request.GET)
    rows = AuditRow.objects.order_by("-id")
    for name, text in (form.cleaned_data if form.is_valid() else {}).items():
        rows = rows.filter(**{f"{name}__icontains": text}) if text else rows
    page = Paginator(rows, AUDIT_PAGE_SIZE).get_page(request.GET.get("page"))
    is_checked = request.GET.get("check") == "1"
    context = {
        "form": form,
        "page": page,
        "is_checked": is_checked,
        # Reads the whole chain, so only when a person asks for it.
        "first_break": audit_first_break() if is_checked else None,
        "is_filtered": any(request.GET.get(name) for name in form.fields),
    }
    return render(request, "dashboard/audit.html", context)
