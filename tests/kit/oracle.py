"""Stands outside device and cloud: compares what the line was told with what the cloud holds."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import msgspec

from edge_agent.journal.store import Store
from edge_agent.line.outputs import Told
from edge_agent.wire.codec import GENESIS_DIGEST, chain_digest, decode_record
from edge_agent.wire.records import Result
from edge_agent.wire.words import StreamKind


@dataclass(frozen=True)
class Findings:
    """What does not agree. All empty and zero: nothing was lost, doubled or changed."""

    lost: list[str] = field(default_factory=list)
    """Promised to the line, absent in the cloud."""
    duplicated: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    """In the cloud with another number or verdict than the line was told."""
    untold: list[str] = field(default_factory=list)
    """In the cloud, never told, beyond the one per kill that may die between journal and line."""
    gaps: list[str] = field(default_factory=list)
    chain_breaks: list[str] = field(default_factory=list)

    @property
    def are_none(self):
        return not any(asdict(self).values())


def told_from(file: Path) -> list[Told]:
    """What the line has read so far. A half line at the end has not been told yet."""
    complete = file.read_bytes().rpartition(b"\n")[0] if file.exists() else b""
    return [msgspec.json.decode(line, type=Told) for line in complete.splitlines()]


def compare(told: list[Told], bodies: list[bytes], *, kill_count: int) -> Findings:
    """told: as the line heard it. bodies: the cloud's inspection records, in order of their numbers from 1 on."""
    results = {seq: record for seq, record in enumerate(map(decode_record, bodies), 1) if isinstance(record, Result)}
    stored = {record.item: (seq, record.verdict) for seq, record in results.items()}
    promised = [one for one in told if one.seq is not None]
    here = [one for one in promised if one.item in stored]
    untold = set(stored) - {one.item for one in told}
    return Findings(
        lost=[one.item for one in promised if one.item not in stored],
        duplicated=_repeated(record.item for record in results.values()) + _repeated(one.item for one in told),
        changed=[one.item for one in here if (one.seq, one.verdict) != stored[one.item]],
        untold=sorted(untold) if len(untold) > kill_count else [],
    )


def _repeated(items: Iterable[str]) -> list[str]:
    return [item for item, count in Counter(items).items() if count > 1]


def compare_journal(journal_folder: Path, streams: dict[str, list[bytes]]) -> Findings:
    """The device's own journal against the cloud's records: same streams, same last number, same running digest."""
    store = Store(journal_folder / "journal.db", is_read_only=True)
    tails = {tail.id: tail for tail in store.tails.values() if tail.last_seq}
    store.close()
    gaps = [f"{stream} is unknown to the device" for stream in streams.keys() - tails.keys()]
    breaks = []
    for tail in tails.values():
        bodies = streams.get(tail.id, [])
        if len(bodies) != tail.last_seq:
            gaps.append(f"{tail.kind} has {tail.last_seq} records, the cloud {len(bodies)}")
        elif chain_digest(GENESIS_DIGEST, bodies) != tail.last_digest:
            breaks.append(f"{tail.kind} differs")
    return Findings(gaps=gaps, chain_breaks=breaks)


def inspection_bodies(ledger) -> list[bytes]:
    """The cloud's inspection records of the one device."""
    streams = ledger.of_kind(StreamKind.INSPECTION)
    assert len(streams) == 1, f"one device has one inspection stream, not {len(streams)}"
    return list(streams[0].bodies)
