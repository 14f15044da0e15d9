"""What the journal's promise costs: `python benchmarks/journal.py FOLDER` on the disk to be measured."""

import argparse
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from edge_agent.clock import SystemClock
from edge_agent.journal import Journal
from edge_agent.wire.messages import StreamAck
from edge_agent.wire.records import Result, Timing
from edge_agent.wire.words import StreamKind, Verdict

BACKLOG = 250_000
"""72 hours at one item in a little more than a second."""


def result(number: int) -> Result:
    return Result(
        at_ms=1_700_000_000_000 + number,
        line="line-1",
        item=f"0a1b2c3d-{number:07d}",
        product="cell",
        lot="lot-7",
        verdict=Verdict.OK,
        label="good",
        score_ratio=0.123456,
        threshold_ratio=0.5,
        model_digest="a" * 64,
        timing=Timing(capture_ms=2.1, preprocess_ms=1.2, infer_ms=20.3, decide_ms=0.1, total_ms=24.5),
        source="b" * 64,
    )


def single_appends(folder: Path, count: int) -> None:
    journal = Journal(folder, SystemClock())
    passed_ms = []
    for number in range(count):
        start_s = time.perf_counter()
        journal.append(result(number))
        passed_ms.append((time.perf_counter() - start_s) * 1000)
    journal.close()
    cuts = statistics.quantiles(passed_ms, n=100)
    print(f"one append at a time: median {cuts[49]:.2f} ms, p95 {cuts[94]:.2f} ms, p99 {cuts[98]:.2f} ms")


def grouped_appends(folder: Path, count: int) -> None:
    journal = Journal(folder, SystemClock())
    start_s = time.perf_counter()
    for start in range(0, count, 1000):
        tickets = [journal.submit(result(number)) for number in range(start, start + 1000)]
        tickets[-1].wait(60)
    passed_s = time.perf_counter() - start_s
    size_bytes = journal.used_bytes
    journal.close()
    print(f"in groups: {count / passed_s:,.0f} records/s, {size_bytes / count:.0f} bytes on disk per record")


def reopening(folder: Path) -> None:
    start_s = time.perf_counter()
    journal = Journal(folder, SystemClock())
    passed_s = time.perf_counter() - start_s
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    count = journal.backlog().count
    print(f"open with a backlog of {count:,}: {passed_s:.2f} s, peak memory {peak_mib:.0f} MiB")
    draining(journal)
    journal.close()


def draining(journal: Journal) -> None:
    start_s, count = time.perf_counter(), 0
    while (batch := journal.batch(StreamKind.INSPECTION, 1000)) is not None:
        count += len(batch.items)
        journal.acked(StreamAck(stream=batch.stream, watermark=batch.first_seq + len(batch.items) - 1))
    print(f"cut into batches and acknowledged: {count / (time.perf_counter() - start_s):,.0f} records/s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="on the disk to be measured; default: a temporary one")
    with tempfile.TemporaryDirectory(dir=parser.parse_args().folder) as folder:
        single_appends(Path(folder) / "single", 1000)
        grouped_appends(Path(folder) / "grouped", BACKLOG)
        reopening(Path(folder) / "grouped")


if __name__ == "__main__":
    main()
