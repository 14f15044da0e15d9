"""Storing what devices report, each record exactly once."""

from apps.telemetry.received import (
    BatchOutcome,
    ReceivedBatch,
    Reception,
    StoredResult,
    cut_singly,
    read_batch,
    set_aside,
)
from apps.telemetry.services.batches import batches_store
from apps.telemetry.services.checkins import checkin_store
from apps.telemetry.services.partitions import partitions_due
from apps.telemetry.services.rows import instant

__all__ = [
    "BatchOutcome",
    "ReceivedBatch",
    "Reception",
    "StoredResult",
    "batches_store",
    "checkin_store",
    "cut_singly",
    "instant",
    "partitions_due",
    "read_batch",
    "set_aside",
]
