"""F03 at full scale: the n-th sync and the n-th write fail, once and for ever, n = 1 to 50. About 4 minutes."""

import dataclasses

import pytest

from tests.kit.disks import needs_strace
from tests.kit.failing_writes import RECORD_COUNT, SYNCS, run_failing_writes
from tests.kit.fault_records import leave_facts


@needs_strace
@pytest.mark.drill
@pytest.mark.parametrize("calls", [SYNCS, "pwrite64"])
@pytest.mark.parametrize("again", ["", "+"])
def test_no_failing_call_leaves_a_promise_without_a_record(tmp_path, calls, again):
    for number in range(1, 51):
        folder = tmp_path / str(number)
        folder.mkdir()
        outcome = run_failing_writes(folder, f"{calls}:error=EIO:when={number}{again}")
        leave_facts(f"F03-{calls}-{number}{again}", seed=number, **dataclasses.asdict(outcome))
        assert outcome.agreement.are_none, outcome
        if not again:
            assert outcome.told_count == RECORD_COUNT + 5
            assert outcome.buried_count == outcome.told_count - outcome.promised_count, outcome
