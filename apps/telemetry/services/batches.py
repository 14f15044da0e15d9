"""Batches in: rows, watermarks and facts in one transaction, so that a second send changes nothing."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction

from apps.core.doorbell import ring
from apps.devices.services import device_quarantine
from apps.telemetry.events import ControlArrived, ResultsArrived, StreamQuarantined, UpdateStepArrived
from apps.telemetry.models import Stream
from apps.telemetry.policy import Placement, Position, place
from apps.telemetry.received import BatchOutcome, ReceivedBatch, Reception, Unreadable
from apps.telemetry.services.facts import facts_learn, facts_of, facts_save
from apps.telemetry.services.rows import Intake, Place
from edge_agent.wire import records as wire
from edge_agent.wire.codec import GENESIS_DIGEST

logger = logging.getLogger(__name__)

_STREAM_COLUMNS = ["watermark", "digest", "issued", "duplicate_count", "changed_at"]


@dataclass(slots=True)
class _Unit:
    """One transaction's work: what was read under lock, and what is to be written."""

    streams: dict[str, Stream]
    intake: Intake
    records: list[tuple[str, wire.Record]] = field(default_factory=list)
    touched: dict[str, Stream] = field(default_factory=dict)


@transaction.atomic
def batches_store(*, received: Sequence[ReceivedBatch], now: datetime) -> list[BatchOutcome]:
    """Store what is new in these batches and advance the watermarks; all of it, or, when this raises, nothing.

    A record that was stored before is counted and dropped. A batch after a gap changes nothing. A batch that
    contradicts stored history changes nothing and quarantines its device.
    Costs about ten statements for any number of batches.
    """
    unit = _Unit(streams=_streams_lock(received), intake=Intake(now))
    outcomes = [_take(unit, one) for one in received]
    unit.intake.write()
    _streams_save(unit.touched.values())
    _facts_update(unit, {one.device_id for one in received}, now)
    _refusals_act(received, outcomes, now)
    _rings(unit)
    return outcomes


def _take(unit: _Unit, one: ReceivedBatch) -> BatchOutcome:
    batch = one.batch
    stream = unit.streams.get(batch.stream) or _new_stream(one)
    if str(stream.device_id) != one.device_id or stream.kind != batch.kind:
        return BatchOutcome(Reception.FOREIGN, batch.stream, 0)
    placement = place(Position(stream.watermark, stream.digest), batch)
    if placement.reception in (Reception.STORED, Reception.KNOWN):
        return _store(unit, stream, one, placement)
    return BatchOutcome(placement.reception, batch.stream, stream.watermark)


def _store(unit: _Unit, stream: Stream, one: ReceivedBatch, placement: Placement) -> BatchOutcome:
    batch, results_before = one.batch, len(unit.intake.results)
    for offset in range(placement.known_count, len(batch.items)):
        record, where = one.records[offset], Place(one.device_id, batch.stream, batch.first_seq + offset)
        unit.intake.add(where, record, batch.items[offset])
        if not isinstance(record, Unreadable):
            unit.records.append((one.device_id, record))
    last_seq = batch.first_seq + len(batch.items) - 1
    stream.issued = max(stream.issued, last_seq)
    stream.duplicate_count += placement.known_count
    if placement.reception is Reception.STORED:
        stream.watermark, stream.digest = last_seq, batch.digest_after
    unit.touched[stream.pk] = stream
    results = tuple(unit.intake.results[results_before:])
    return BatchOutcome(placement.reception, batch.stream, stream.watermark, results)


def _streams_lock(received: Sequence[ReceivedBatch]) -> dict[str, Stream]:
    """The batches' streams, locked in one order so that no two writers wait for each other."""
    ids = {one.batch.stream for one in received}
    streams = _locked(ids)
    # Only a first record makes a stream: what begins with a gap leaves no trace.
    fresh = {
        one.batch.stream: _new_stream(one)
        for one in received
        if one.batch.stream not in streams and one.batch.first_seq == 1
    }
    if fresh:
        Stream.objects.bulk_create([fresh[pk] for pk in sorted(fresh)], ignore_conflicts=True)
        streams |= _locked(fresh)
    return streams


def _locked(ids: Iterable[str]) -> dict[str, Stream]:
    rows = Stream.objects.select_for_update().filter(pk__in=list(ids)).order_by("pk")
    return {row.pk: row for row in rows}


def _new_stream(one: ReceivedBatch) -> Stream:
    return Stream(id=one.batch.stream, device_id=one.device_id, kind=str(one.batch.kind), digest=GENESIS_DIGEST)


def _streams_save(streams: Iterable[Stream]) -> None:
    """One statement for all watermarks."""
    rows = sorted(streams, key=lambda stream: stream.pk)
    if rows:
        Stream.objects.bulk_create(rows, update_conflicts=True, unique_fields=["id"], update_fields=_STREAM_COLUMNS)


def _facts_update(unit: _Unit, device_ids: set[str], now: datetime) -> None:
    facts = facts_of(device_ids)
    for device_id, record in unit.records:
        facts_learn(facts[device_id], record, now)
    for row in facts.values():
        row.last_seen_at = now
    facts_save(list(facts.values()))


def _refusals_act(received: Sequence[ReceivedBatch], outcomes: Sequence[BatchOutcome], now: datetime) -> None:
    for one, outcome in zip(received, outcomes, strict=True):
        if outcome.reception is Reception.FOREIGN:
            logger.warning("stream_foreign device=%s stream=%s", one.device_id, outcome.stream)
        if outcome.reception is Reception.MISMATCH:
            _quarantine(one, outcome.watermark, now)


def _quarantine(one: ReceivedBatch, watermark: int, now: datetime) -> None:
    logger.warning("digest_mismatch device=%s stream=%s watermark=%d", one.device_id, one.batch.stream, watermark)
    reason = f"Two histories of one journal: the {one.batch.kind} stream does not fit what is stored."
    device_quarantine(device_id=one.device_id, reason=reason, actor="system:ingest", now=now)
    ring(StreamQuarantined(one.device_id))


def _rings(unit: _Unit) -> None:
    # A set first: a batch of a thousand results rings once.
    for event in {_event(device_id, record) for device_id, record in unit.records}:
        ring(event)


def _event(device_id: str, record: wire.Record) -> ResultsArrived | UpdateStepArrived | ControlArrived:
    if isinstance(record, wire.Result | wire.Window):
        return ResultsArrived(device_id)
    return UpdateStepArrived(device_id) if isinstance(record, wire.UpdateStep) else ControlArrived(device_id)
