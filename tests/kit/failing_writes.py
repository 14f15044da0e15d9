"""F03: system calls that bring the journal to the disk fail, by strace. Nothing is promised that is not there."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from edge_agent.clock import SystemClock
from edge_agent.journal import Journal
from edge_agent.wire.codec import decode_record
from edge_agent.wire.messages import BATCH_ITEMS_MAX
from edge_agent.wire.records import Alarm, Tombstone
from edge_agent.wire.words import StreamKind
from tests.kit.agents import ROOT
from tests.kit.oracle import Findings, compare, told_from

RECORD_COUNT = 60
SYNCS = "fsync,fdatasync"


@dataclass(frozen=True)
class FailedWrites:
    fault: str
    failure_count: int
    told_count: int
    promised_count: int
    buried_count: int
    """Records that the journal itself says were not written."""
    is_alarm_there: bool
    agreement: Findings


def run_failing_writes(folder: Path, fault: str, *options: str) -> FailedWrites:
    """fault: as strace's `inject` takes it, from the second life of a journal on."""
    told_file = folder / "told.jsonl"
    _write(folder, 5)
    trace = folder / "trace"
    strace = ["strace", "-f", "--seccomp-bpf", "-qq", "-o", str(trace), "-e", f"inject={fault}"]
    _write(folder, RECORD_COUNT, *options, before=strace)
    journal = Journal(folder / "journal", SystemClock())
    try:
        inspection = journal.batch(StreamKind.INSPECTION, BATCH_ITEMS_MAX)
        control = journal.batch(StreamKind.CONTROL, BATCH_ITEMS_MAX)
    finally:
        journal.close()
    bodies = [bytes(item) for item in inspection.items]
    told = told_from(told_file)
    buried = [record for record in map(decode_record, bodies) if isinstance(record, Tombstone)]
    alarms = [record for record in map(decode_record, control.items if control else []) if isinstance(record, Alarm)]
    return FailedWrites(
        fault=fault,
        failure_count=trace.read_text().count("(INJECTED)"),
        told_count=len(told),
        promised_count=sum(one.is_recorded for one in told),
        buried_count=sum(one.count for one in buried if one.lost_kind == "record"),
        is_alarm_there=bool(alarms),
        agreement=compare(told, bodies, kill_count=0),
    )


def _write(folder: Path, count: int, *options: str, before: list[str] | None = None) -> None:
    program = [sys.executable, "-m", "tests.kit.journal_writer", str(folder / "journal"), str(folder / "told.jsonl")]
    with (folder / "log").open("ab") as log:
        subprocess.run(
            [*(before or []), *program, str(count), *options], cwd=ROOT, stderr=log, timeout=120, check=False
        )
