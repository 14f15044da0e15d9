"""A disk that refuses to write, for real: the process may not make files longer."""

import json
import subprocess
import sys
from pathlib import Path

from edge_agent.clock import SystemClock
from edge_agent.journal import Journal
from edge_agent.wire.codec import GENESIS_DIGEST, chain_digest, decode_record
from edge_agent.wire.words import StreamKind

ROOT = Path(__file__).parents[3]

PROGRAM = """
import json, pathlib, resource, sys
from edge_agent.clock import SystemClock
from edge_agent.journal import Journal, JournalUnavailable
from edge_agent.wire.records import Result
from edge_agent.wire.words import Verdict

def append(number):
    try:
        return journal.append(Result(at_ms=number, line="l", item=f"part-{number}", verdict=Verdict.OK))
    except JournalUnavailable:
        return None

def limit(size_bytes):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, resource.RLIM_INFINITY))

journal = Journal(pathlib.Path(sys.argv[1]), SystemClock())
before = [append(number) for number in range(20)]
limit((pathlib.Path(sys.argv[1]) / "journal.db-wal").stat().st_size)
during = [append(number) for number in range(20, 30)]
limit(resource.RLIM_INFINITY)
after = [append(number) for number in range(30, 40)]
print(json.dumps([before, during, after]), flush=True)
"""


def test_a_disk_that_fails_promises_nothing_and_the_next_good_write_goes_on_without_a_gap(tmp_path):
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert answer.returncode == 0, answer.stderr
    before, during, after = json.loads(answer.stdout)
    assert before == list(range(1, 21))
    assert during == [None] * 10
    assert after == [21, *range(23, 32)], "22 is the tombstone"
    journal = Journal(tmp_path, SystemClock())
    batch = journal.batch(StreamKind.INSPECTION, 100)
    journal.close()
    assert len(batch.items) == 31
    assert decode_record(batch.items[21]).count == 10
    assert chain_digest(GENESIS_DIGEST, batch.items) == batch.digest_after
