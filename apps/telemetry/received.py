"""What came in from a device, as the services take it: batches with their records read one by one."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

import msgspec

from edge_agent.contract.sketches import DEFAULT_RELATIVE_ERROR
from edge_agent.wire.codec import WireError, chain_digest, decode_record
from edge_agent.wire.messages import Batch
from edge_agent.wire.records import Record, Result, Sketch

BUCKET_INDEX_MAX = 2_000
"""Beyond what the smallest and the largest value of a sketch can reach (see edge_agent.contract.sketches)."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record that this side cannot read or store, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class ReceivedBatch:
    """One batch of one authenticated device; `records` go with `batch.items` one to one."""

    device_id: str
    batch: Batch
    records: tuple[Record | Unreadable, ...]


class Reception(StrEnum):
    """What became of a batch."""

    STORED = "stored"
    KNOWN = "known"
    """Every record of it was here already."""
    GAP = "gap"
    """It begins after records that never came; nothing of it was stored."""
    MISMATCH = "mismatch"
    """It contradicts what is stored: another history of the same journal."""
    FOREIGN = "foreign"
    """Its stream belongs to another device, or is of another kind."""


@dataclass(frozen=True, slots=True)
class StoredResult:
    device_id: str
    stream: str
    seq: int
    result: Result


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """watermark: what the cloud holds of the stream now. results: those that this batch added."""

    reception: Reception
    stream: str
    watermark: int
    results: tuple[StoredResult, ...] = ()


def read_batch(device_id: str, batch: Batch) -> ReceivedBatch:
    """Never raises: what cannot be read is marked so, and its neighbours stay."""
    return ReceivedBatch(device_id=device_id, batch=batch, records=tuple(map(_read, batch.items)))


def cut_singly(received: ReceivedBatch) -> Iterator[ReceivedBatch]:
    """The same records as batches of one, each with its own running digests."""
    digest = received.batch.digest_before
    for offset, (item, record) in enumerate(zip(received.batch.items, received.records, strict=True)):
        after = chain_digest(digest, [item])
        first_seq = received.batch.first_seq + offset
        single = msgspec.structs.replace(
            received.batch, first_seq=first_seq, digest_before=digest, digest_after=after, items=[item]
        )
        yield ReceivedBatch(device_id=received.device_id, batch=single, records=(record,))
        digest = after


def set_aside(received: ReceivedBatch, reason: str) -> ReceivedBatch:
    """The same batch with every record marked as one that cannot be stored."""
    return replace(received, records=tuple(Unreadable(reason) for _ in received.records))


def _read(body: msgspec.Raw) -> Record | Unreadable:
    try:
        record = decode_record(body)
    except WireError as exc:
        return Unreadable(str(exc))
    fault = _fault_of(record)
    return Unreadable(fault) if fault else record


def _fault_of(record: Record) -> str:
    """Why a record of the right shape would still spoil the sums it goes into; "" when it would not."""
    if isinstance(record, Result):
        return "" if math.isfinite(record.score_ratio or 0.0) else "the score is not a number"
    fields = (getattr(record, name) for name in record.__struct_fields__)
    return next((fault for fault in map(_sketch_fault, fields) if fault), "")


def _sketch_fault(sketch: object) -> str:
    if not isinstance(sketch, Sketch):
        return ""
    if sketch.relative_error != DEFAULT_RELATIVE_ERROR:
        return f"a sketch with relative error {sketch.relative_error} cannot be merged"
    if any(count < 0 or abs(index) > BUCKET_INDEX_MAX for index, count in sketch.buckets.items()):
        return "a sketch has a bucket that no value falls in"
    return ""
