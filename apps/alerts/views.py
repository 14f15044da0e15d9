from dataclasses import dataclass
from typing import Any, cast

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from apps.accounts.models import User
from apps.accounts.rights import Permission
from apps.accounts.selectors import scope
from apps.alerts import services
from apps.alerts.models import Alert
from apps.alerts.policy import silent_sentence
from apps.alerts.selectors import alerts_seen_by
from apps.alerts.states import AlertState
from apps.core.errors import Wrong

PAGE_ROWS = 50


@dataclass(frozen=True, slots=True)
class Row:
    """One alert as the inbox shows it. `blocked`: why it cannot be acknowledged; empty when it can."""

    alert: Alert
    sentence: str
    blocked: str


@require_GET
def alert_list(request: HttpRequest) -> HttpResponse:
    return render(request, "alerts/list.html", _context(request))


@require_GET
def alert_list_live(request: HttpRequest) -> HttpResponse:
    return render(request, "alerts/_list.html", _context(request))


@require_POST
def acknowledge(request: HttpRequest, pk: int) -> HttpResponse:
    try:
        alert = services.alert_acknowledge(alert_id=pk, by=cast(User, request.user), now=timezone.now())
    except Wrong as exc:
        messages.error(request, exc.text)
    else:
        messages.success(request, f"You are at it: {alert.device.name}.")
    return redirect(f"{reverse('alerts:list')}?tab={request.POST.get('tab', AlertState.OPEN)}")


def _context(request: HttpRequest) -> dict[str, Any]:
    user = cast(User, request.user)
    alerts = alerts_seen_by(user)
    tab = request.GET.get("tab", AlertState.OPEN)
    tab = tab if tab in AlertState.values else AlertState.OPEN
    page = Paginator(alerts.filter(state=tab), PAGE_ROWS).get_page(request.GET.get("page"))
    return {
        "tab": tab,
        "tabs": [(state, state.label, alerts.filter(state=state).count()) for state in AlertState],
        "page": page,
        "rows": [_row(user, alert) for alert in page],
    }


def _row(user: User, alert: Alert) -> Row:
    may_handle = scope(user, Permission.HANDLE_ALERT).covers(alert.device.line.site_id)
    blocked = "" if may_handle else "Your roles do not include “handle alert” at this site."
    return Row(alert, silent_sentence(alert.value, alert.limit), blocked)
