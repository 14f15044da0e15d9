"""F03: fsync or write fails, once, now and then, or for ever. The line is told so, and the loss is counted."""

import dataclasses
import os

import pytest

from tests.kit.disks import needs_strace
from tests.kit.failing_writes import RECORD_COUNT, SYNCS, run_failing_writes
from tests.kit.fault_records import leave_facts

pytestmark = needs_strace
SEED = int(os.environ.get("F03_SEED", "0"))
PASSING = [
    f"{calls}:error={error}:when={when}"
    for calls, error, when in (
        (SYNCS, "EIO", "1"),
        (SYNCS, "EIO", "7"),
        (SYNCS, "EIO", "2+9"),
        ("pwrite64", "EIO", "9"),
        ("pwrite64", "EIO", "3+41"),
        ("pwrite64", "ENOSPC", "4+53"),
    )
]


@pytest.mark.parametrize("fault", PASSING)
def test_a_disk_that_fails_now_and_then_promises_nothing_false_and_counts_what_it_lost(tmp_path, fault):
    outcome = run_failing_writes(tmp_path, fault)
    leave_facts(f"F03-{fault}", seed=SEED, **dataclasses.asdict(outcome))
    assert outcome.failure_count > 0
    assert outcome.agreement.are_none, outcome.agreement
    assert outcome.told_count == RECORD_COUNT + 5
    assert outcome.buried_count == outcome.told_count - outcome.promised_count
    assert outcome.is_alarm_there == (outcome.buried_count > 0)


@pytest.mark.parametrize("calls", [SYNCS, "pwrite64"])
def test_a_disk_that_fails_for_ever_promises_nothing_any_more_and_the_line_goes_on(tmp_path, calls):
    outcome = run_failing_writes(tmp_path, f"{calls}:error=EIO:when=12+")
    leave_facts(f"F03-{calls}-for-ever", seed=SEED, **dataclasses.asdict(outcome))
    assert outcome.agreement.are_none, outcome.agreement
    assert outcome.told_count == RECORD_COUNT + 5
    assert outcome.promised_count < 30


def test_a_device_that_promises_before_it_writes_is_caught(tmp_path):
    outcome = run_failing_writes(tmp_path, "pwrite64:error=EIO:when=12+", "--hasty")
    assert outcome.agreement.lost
