"""F12: a device that starts with a backlog of days in its journal."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from edge_agent.clock import SystemClock
from edge_agent.journal import Journal
from edge_agent.journal.store import Store, StoredImage
from edge_agent.wire.codec import encode
from edge_agent.wire.records import Result, Timing
from edge_agent.wire.words import StreamKind, Verdict
from tests.kit.agents import AgentProcess, wait_until
from tests.kit.cloud import FakeCloud
from tests.kit.fault_records import leave_record

IMAGE = bytes(45_000)
SETTLED_VERDICTS = 60


@dataclass(frozen=True)
class BacklogStart:
    seed: int
    record_count: int
    image_count: int
    ready_s: float
    empty_ready_s: float
    peak_mb: float
    empty_peak_mb: float
    next_seq: int
    """Of the first verdict of the new life."""

    @property
    def memory_ratio(self) -> float:
        return self.peak_mb / self.empty_peak_mb


def run_start_with_backlog(folder: Path, *, record_count: int, image_count: int, module: str = "edge_agent"):
    cloud = FakeCloud()
    empty = AgentProcess(folder / "empty", cloud.url, module=module)
    full = AgentProcess(folder / "full", cloud.url, module=module)
    cloud.stop()
    try:
        _fill(full.journal_folder, record_count, image_count)
        empty_ready_s, empty_peak_mb = _life(empty)
        ready_s, peak_mb = _life(full)
    finally:
        empty.close()
        full.close()
    first = next(one for one in full.told() if one.is_recorded)
    outcome = BacklogStart(
        seed=0,
        record_count=record_count,
        image_count=image_count,
        ready_s=ready_s,
        empty_ready_s=empty_ready_s,
        peak_mb=peak_mb,
        empty_peak_mb=empty_peak_mb,
        next_seq=first.seq,
    )
    leave_record(f"F12-{module.rpartition('.')[2]}", outcome)
    return outcome


def _life(agent: AgentProcess) -> tuple[float, float]:
    """Seconds until ready, and the most memory until the line had heard some verdicts."""
    ready_s = agent.start()
    wait_until(lambda: len(agent.told()) >= SETTLED_VERDICTS, 60)
    status = Path(f"/proc/{agent.pid}/status").read_text()
    peak_kb = int(status.partition("VmHWM:")[2].split()[0])
    agent.kill()
    return ready_s, peak_kb / 1024


def _fill(folder: Path, record_count: int, image_count: int) -> None:
    """As the journal would, in one transaction."""
    Journal(folder, SystemClock()).close()
    store = Store(folder / "journal.db")
    store.begin()
    for number in range(record_count):
        store.append(StreamKind.INSPECTION, encode(_result(number)))
    for number in range(image_count):
        encoded = number.to_bytes(8, "big") + IMAGE
        stored = StoredImage(sha256=sha256(encoded).hexdigest(), size_bytes=len(encoded))
        (folder / "images" / stored.sha256).write_bytes(encoded)
        store.image_keep(stored, seq=number + 1, now_ms=0)
    store.commit()
    store.close()


def _result(number: int) -> Result:
    return Result(
        at_ms=1_700_000_000_000 + number,
        line="line-1",
        item=f"part-{number:09}",
        product="cell",
        lot="lot-2026-117",
        verdict=Verdict.OK,
        score_ratio=0.25,
        threshold_ratio=0.5,
        model_digest="a" * 64,
        timing=Timing(capture_ms=1.25, preprocess_ms=1.5, infer_ms=4.75, decide_ms=0.125, total_ms=9.0),
    )
