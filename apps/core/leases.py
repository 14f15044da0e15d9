"""Who looks at a row next. A claim is a lease: it moves the row's `next_look_at`, so a dead claimer loses nothing."""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Model, QuerySet


def claim_due(rows: QuerySet[Any], *, now: datetime, lease_s: float, limit: int = 100) -> list[int]:
    """Claim up to `limit` due rows for `lease_s` seconds and return their ids.

    Each claim is a conditional update whose row count decides, so two reconcilers never get the same row.
    """
    due = rows.filter(next_look_at__lte=now).order_by("next_look_at").values_list("pk", "next_look_at")[:limit]
    return [pk for pk, seen in due if _claim(rows.model, pk, seen, now + timedelta(seconds=lease_s))]


def _claim(model: type[Model], pk: int, seen: datetime, until: datetime) -> bool:
    return bool(model._default_manager.filter(pk=pk, next_look_at=seen).update(next_look_at=until))
