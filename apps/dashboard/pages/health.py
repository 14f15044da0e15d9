"""Settings: whether the installation itself is in order."""

import shutil
from datetime import datetime

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from apps.core.errors import ProductError
from apps.core.selectors import database_size_bytes, reconciler_silence_s, worker_silence_s
from apps.dashboard.policy import HealthFacts, RoleLeft, health_checks
from apps.models.services import repository_roles


@require_GET
def health(request: HttpRequest) -> HttpResponse:
    return render(request, "dashboard/health.html", _health())


@require_GET
def health_live(request: HttpRequest) -> HttpResponse:
    return render(request, "dashboard/_health.html", _health())


def _health() -> dict[str, object]:
    now = timezone.now()
    return {"checks": health_checks(health_facts(now)), "now": now}


def health_facts(now: datetime) -> HealthFacts:
    """Measured now: one query, two looks into the cache, four small files."""
    disk = _disk()
    return HealthFacts(
        worker_silence_s=worker_silence_s(now),
        reconciler_silence_s=reconciler_silence_s(now),
        database_bytes=database_size_bytes(),
        disk_free_bytes=disk[0] if disk else None,
        disk_total_bytes=disk[1] if disk else None,
        roles=_roles(now),
    )


def _disk() -> tuple[int, int] | None:
    """Free and total bytes where the data lies."""
    try:
        usage = shutil.disk_usage(settings.DATA_DIR)
    except OSError:
        return None
    return usage.free, usage.total


def _roles(now: datetime) -> list[RoleLeft] | None:
    try:
        states = repository_roles()
    except ProductError:
        return None
    return [RoleLeft(one.role, one.version, (one.expires_at - now).total_seconds(), one.is_protected) for one in states]
