from datetime import datetime

import redis
from django.core.cache import cache
from django.db import connection

from apps.core.models import AuditRow
from apps.core.services import GENESIS_HASH, audit_hash

WORKER_SEEN_KEY = "core:worker_seen"
RECONCILER_SEEN_KEY = "core:reconciler_seen"


def audit_first_break() -> str | None:
    """What is wrong with the first audit row that does not fit the chain; None when all fit."""
    previous = GENESIS_HASH
    for row in AuditRow.objects.order_by("id").iterator(chunk_size=2000):
        if row.previous_hash != previous:
            return f"row {row.pk}: the row before it is missing or was changed"
        if row.hash != audit_hash(row):
            return f"row {row.pk}: its content was changed"
        previous = row.hash
    return None


def worker_silence_s(now: datetime) -> float | None:
    """For how long no Celery worker has run the canary. None: never seen, or the cache cannot be asked."""
    return _silence_s(WORKER_SEEN_KEY, now)


def reconciler_silence_s(now: datetime) -> float | None:
    """For how long no reconciler has finished a round. None: never seen, or the cache cannot be asked."""
    return _silence_s(RECONCILER_SEEN_KEY, now)


def _silence_s(key: str, now: datetime) -> float | None:
    try:
        seen = cache.get(key)
    except redis.RedisError:
        return None
    return None if seen is None else now.timestamp() - float(seen)


def database_size_bytes() -> int:
    """What the database takes on its disk, indexes included."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        return int(cursor.fetchone()[0])
