"""Groups of sync requests into the database: together, then apart when one of them cannot be stored."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import DataError, IntegrityError, transaction

from apps.core.errors import ProductError, Unavailable
from apps.defects.services import FlagFacts, flags_store
from apps.telemetry import services as telemetry
from apps.telemetry.services import BatchOutcome, ReceivedBatch, StoredResult

logger = logging.getLogger(__name__)

RECORD_FAULTS = (DataError, IntegrityError, ValueError, TypeError, OverflowError)
"""What a record can be guilty of. Anything else is ours, and no record is set aside for it."""


@dataclass(frozen=True, slots=True)
class SyncJob:
    """One device's batches of one request."""

    device_id: str
    batches: tuple[ReceivedBatch, ...]


Answer = list[BatchOutcome] | ProductError


def jobs_store(jobs: Sequence[SyncJob], *, now: datetime) -> list[Answer]:
    """One answer per job: the outcomes of its batches, durable, or why nothing of it was stored.

    Never raises for what a job holds. Lets OperationalError and InterfaceError through: then nothing was stored.
    """
    try:
        return list(_outcomes_of(jobs, _store([one for job in jobs for one in job.batches], now)))
    except RECORD_FAULTS as exc:
        logger.warning("group_failed jobs=%d error=%s", len(jobs), _line(exc))
    return [_alone(job, now) for job in jobs]


def _alone(job: SyncJob, now: datetime) -> Answer:
    """The job's batches one by one; a failing one record by record, and what still fails set aside whole."""
    try:
        return [_first_that_stores(one, now) for one in job.batches]
    except ProductError as exc:
        return exc


def _first_that_stores(one: ReceivedBatch, now: datetime) -> BatchOutcome:
    try:
        return _store([one], now)[0]
    except RECORD_FAULTS as exc:
        logger.warning("batch_failed device=%s stream=%s error=%s", one.device_id, one.batch.stream, _line(exc))
    outcomes = [_record_store(single, now) for single in telemetry.cut_singly(one)]
    results = tuple(result for outcome in outcomes for result in outcome.results)
    last = outcomes[-1]
    return BatchOutcome(last.reception, last.stream, last.watermark, results)


def _record_store(single: ReceivedBatch, now: datetime) -> BatchOutcome:
    try:
        return _store([single], now)[0]
    except RECORD_FAULTS as exc:
        reason = _line(exc)
    logger.warning("record_set_aside device=%s seq=%d error=%s", single.device_id, single.batch.first_seq, reason)
    try:
        return _store([telemetry.set_aside(single, reason)], now)[0]
    except RECORD_FAULTS as exc:
        raise Unavailable(f"A record can be neither stored nor set aside: {exc}", retry_after_s=60.0) from exc


@transaction.atomic
def _store(batches: Sequence[ReceivedBatch], now: datetime) -> list[BatchOutcome]:
    """Rows, watermarks and flags in one transaction."""
    outcomes = telemetry.batches_store(received=batches, now=now)
    flags_store(list(_flags(result for outcome in outcomes for result in outcome.results)), now)
    return outcomes


def _flags(results: Iterable[StoredResult]) -> Iterable[FlagFacts]:
    for stored in results:
        result, image = stored.result, stored.result.image
        if image is None:
            continue
        yield FlagFacts(
            device_id=UUID(stored.device_id),
            stream_id=stored.stream,
            seq=stored.seq,
            sha256=image.sha256,
            size_bytes=image.size_bytes,
            at=telemetry.instant(result.at_ms),
            line=result.line,
            item=result.item,
            product=result.product,
            lot=result.lot,
            verdict=str(result.verdict),
            label=result.label,
            score_ratio=result.score_ratio,
            threshold_ratio=result.threshold_ratio,
            model_digest=result.model_digest,
            reason=str(image.reason),
            selection_ratio=image.selection_ratio,
            source=result.source,
        )


def _outcomes_of(jobs: Sequence[SyncJob], outcomes: Sequence[BatchOutcome]) -> Iterable[list[BatchOutcome]]:
    left = iter(outcomes)
    for job in jobs:
        yield [next(left) for _ in job.batches]


def _line(error: Exception) -> str:
    return str(error).partition("\n")[0]
