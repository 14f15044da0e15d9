"""F10: a device without a network for hours or days of an injected clock, then the way back to the cloud."""

import resource
import time
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from edge_agent.cloud import HttpCloud
from edge_agent.identity import load_identity
from edge_agent.journal import ImageFile, Journal
from edge_agent.line.outputs import Told
from edge_agent.sync import Sync
from edge_agent.windows import WindowSum
from edge_agent.wire.codec import decode_record
from edge_agent.wire.records import Health, ImageKept, Result, Timing, Tombstone
from edge_agent.wire.words import FlagReason, Verdict
from tests.kit.agents import enrolled
from tests.kit.cloud import FakeCloud
from tests.kit.fault_records import leave_record
from tests.kit.handclock import HandClock
from tests.kit.oracle import Findings, compare, compare_journal, inspection_bodies

MODEL_DIGEST = sha256(b"model").hexdigest()
IMAGE_BYTES = 45_000
IMAGES_PER_H = 600
HEALTH_EVERY_S = 30
PIPELINED = 50
"""Results on their way at once: the line waits for each, but the clock here is faster than any disk."""


@dataclass(frozen=True)
class Offline:
    seed: int
    hours: float
    result_count: int
    write_per_s: float
    drain_per_s: float
    used_mb: float
    """Of the budget, when the network came back."""
    disk_mb: float
    budget_mb: int
    images_evicted: int
    images_sent: int
    memory_mb: float
    is_in_order: bool
    agreement: Findings = field(default_factory=Findings)
    journal: Findings = field(default_factory=Findings)


def run_offline(folder: Path, *, hours: float, budget_mb: int, seed: int, loses_every: int = 0) -> Offline:
    """One result a second with full content, 600 images an hour, a window a minute, health twice a minute.

    loses_every: the planted bug, a result in so many is told and not written.
    """
    cloud, clock = FakeCloud(), HandClock()
    try:
        data = enrolled(folder / "data", cloud.url)
        cloud.stop()
        journal = Journal(data / "journal", clock, budget_bytes=budget_mb * 1024 * 1024)
        begun_s = time.monotonic()
        told = _inspect(journal, clock, hours=hours, seed=seed, loses_every=loses_every)
        write_s = time.monotonic() - begun_s
        used_bytes, disk_bytes = journal.used_bytes, _disk_bytes(data / "journal")
        cloud.start()
        record_count = journal.backlog().count
        drain_s = _drain(data, cloud, journal, clock)
        journal.close()
    finally:
        cloud.stop()
    bodies = inspection_bodies(cloud.ledger)
    outcome = Offline(
        seed=seed,
        hours=hours,
        result_count=len(told),
        write_per_s=len(told) / write_s,
        drain_per_s=record_count / drain_s,
        used_mb=used_bytes / 2**20,
        disk_mb=disk_bytes / 2**20,
        budget_mb=budget_mb,
        images_evicted=_evicted(bodies),
        images_sent=len(cloud.ledger.images),
        memory_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        is_in_order=_is_in_order(bodies),
        agreement=compare(told, bodies, kill_count=0),
        journal=compare_journal(
            data / "journal", {stream: held.bodies for stream, held in cloud.ledger.streams.items()}
        ),
    )
    leave_record("F10" + ("-control" if loses_every else ""), outcome)
    return outcome


def _inspect(journal: Journal, clock: HandClock, *, hours: float, seed: int, loses_every: int) -> list[Told]:
    told: list[Told] = []
    waiting = []
    window = WindowSum(start_ms=clock.wall_ms(), start_s=clock.monotonic_s(), model_digest=MODEL_DIGEST)
    for number in range(int(hours * 3600)):
        clock.turn(1.0)
        image = _image(seed, number) if number % (3600 // IMAGES_PER_H) == 0 else None
        result = _result(clock, number, image)
        is_lost = loses_every and number % loses_every == 1
        waiting.append((result, None if is_lost else journal.submit(result, images=[image] if image else [])))
        window.add(result, 0.15)
        if number % HEALTH_EVERY_S == 0:
            journal.submit(Health(at_ms=clock.wall_ms(), uptime_s=float(number), backlog_count=number))
        if number % 60 == 59:
            journal.submit(window.closed(line="line-1", now_s=clock.monotonic_s(), backlog_count=number))
            window = WindowSum(start_ms=clock.wall_ms(), start_s=clock.monotonic_s(), model_digest=MODEL_DIGEST)
        if len(waiting) == PIPELINED:
            told += _told(waiting)
            waiting = []
    return told + _told(waiting)


def _told(waiting) -> list[Told]:
    return [
        Told(
            item=result.item,
            verdict=result.verdict,
            label="",
            cannot_judge=None,
            seq=ticket.wait(60) if ticket else 10**9,
            total_ms=9.0,
        )
        for result, ticket in waiting
    ]


def _image(seed: int, number: int) -> ImageFile:
    start = seed.to_bytes(8, "big") + number.to_bytes(8, "big")
    return ImageFile.of(start + bytes(IMAGE_BYTES - len(start)))


def _result(clock: HandClock, number: int, image: ImageFile | None) -> Result:
    kept = image and ImageKept(sha256=image.sha256, size_bytes=len(image.encoded), reason=FlagReason.RANDOM_SAMPLE)
    return Result(
        at_ms=clock.wall_ms(),
        line="line-1",
        item=f"part-{number:09}",
        product="cell",
        lot="lot-2026-117",
        verdict=Verdict.DEFECT if number % 50 == 0 else Verdict.OK,
        label="crack" if number % 50 == 0 else "",
        score_ratio=(number % 997) / 997,
        threshold_ratio=0.5,
        model_digest=MODEL_DIGEST,
        timing=Timing(capture_ms=1.25, preprocess_ms=1.5, infer_ms=4.75, decide_ms=0.125, total_ms=9.0),
        image=kept,
    )


def _drain(data: Path, cloud: FakeCloud, journal: Journal, clock: HandClock) -> float:
    """Seconds until the cloud holds all records. Images follow, and are not timed."""
    identity = load_identity(data)
    http = HttpCloud(cloud.url, credentials=identity.credentials(), clock=clock)
    sync = Sync(http, journal=journal, interval_s=lambda: 2.0, clock=clock)
    begun_s = time.monotonic()
    while journal.backlog().count:
        sync.turn()
    drain_s = time.monotonic() - begun_s
    while journal.backlog().images_waiting or journal.backlog().count:
        sync.turn()
    http.close()
    return drain_s


def _disk_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _evicted(bodies: list[bytes]) -> int:
    graves = [record for record in map(decode_record, bodies) if isinstance(record, Tombstone)]
    return sum(grave.count for grave in graves if grave.lost_kind == "image")


def _is_in_order(bodies: list[bytes]) -> bool:
    items = [record.item for record in map(decode_record, bodies) if isinstance(record, Result)]
    return items == sorted(items)
