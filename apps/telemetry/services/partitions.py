"""Result partitions, one per day of arrival: made ahead, dropped when their time is over."""

import logging
from datetime import date, datetime, timedelta

from django.conf import settings
from django.db import connection, transaction

logger = logging.getLogger(__name__)

TABLE = "telemetry_result"
DAYS_AHEAD = 7
PARTITION_LOCK = 0x52455355
"""Advisory lock: partitions are made and dropped by one at a time."""


def partitions_due(*, now: datetime) -> int:
    """Make the partitions of the coming days and drop those past retention. Returns how many changed."""
    today = now.date()
    first_kept = today - timedelta(days=settings.RESULT_RETENTION_DAYS)
    made = sum(_make(today + timedelta(days=ahead)) for ahead in range(DAYS_AHEAD + 1))
    return made + sum(_drop(day) for day in _days() if day < first_kept)


def partition_need(day: date) -> None:
    """Make the day's partition if it is not there; costs one catalogue look-up when it is."""
    if not _exists(day):
        _make(day)


@transaction.atomic
def _make(day: date) -> bool:
    if _exists(day):
        return False
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [PARTITION_LOCK])
        # A name and two dates that we composed; DDL takes no parameters.
        cursor.execute(
            f"CREATE TABLE IF NOT EXISTS {_name(day)} PARTITION OF {TABLE}"
            f" FOR VALUES FROM ('{day.isoformat()}') TO ('{(day + timedelta(days=1)).isoformat()}')"
        )
    logger.info("partition_made day=%s", day)
    return True


@transaction.atomic
def _drop(day: date) -> bool:
    """Drop one day's results, and remember per stream how many they were, so that the ledger stays provable."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [PARTITION_LOCK])
        cursor.execute(
            "UPDATE telemetry_stream AS s SET expired_count = s.expired_count + d.count FROM"  # noqa: S608  our name
            f" (SELECT stream_id, count(DISTINCT seq) AS count FROM {_name(day)} GROUP BY stream_id) AS d"
            " WHERE s.id = d.stream_id"
        )
        cursor.execute(f"DROP TABLE {_name(day)}")
    logger.info("partition_dropped day=%s", day)
    return True


def _exists(day: date) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [_name(day)])
        return bool(cursor.fetchone()[0])


def _days() -> list[date]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid"
            " WHERE i.inhparent = %s::regclass ORDER BY 1",
            [TABLE],
        )
        return [date.fromisoformat(name.removeprefix(f"{TABLE}_")) for (name,) in cursor.fetchall()]


def _name(day: date) -> str:
    return f"{TABLE}_{day:%Y%m%d}"
