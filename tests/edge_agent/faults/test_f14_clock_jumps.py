"""F14: the wall clock jumps by an hour, by ten years, to 1970, in the middle of work. Numbers give the order."""

import pytest

from edge_agent.cloud import HttpCloud
from edge_agent.identity import load_identity
from edge_agent.journal import Journal
from edge_agent.journal.journal import RETENTION_MS
from edge_agent.sync import Sync
from edge_agent.wire.codec import decode_record
from edge_agent.wire.messages import StreamAck
from edge_agent.wire.records import Result
from edge_agent.wire.words import StreamKind, Verdict
from tests.kit.agents import AgentProcess, enrolled, wait_until
from tests.kit.cloud import FakeCloud
from tests.kit.disks import FAKETIME_LIBRARY, needs_faketime
from tests.kit.fault_records import leave_facts
from tests.kit.handclock import HandClock
from tests.kit.kill_cycles import catch_up
from tests.kit.oracle import compare, compare_journal, inspection_bodies

HOUR_MS = 3_600_000
TEN_YEARS_MS = 10 * 365 * 24 * HOUR_MS
JUMPS_MS = {
    "an hour back": -HOUR_MS,
    "an hour on": HOUR_MS,
    "ten years on": TEN_YEARS_MS,
    "to 1970": -1_690_000_000_000,
}


def result(number, at_ms):
    return Result(at_ms=at_ms, line="line-1", item=f"part-{number:05}", verdict=Verdict.OK)


@pytest.fixture
def cloud():
    cloud = FakeCloud()
    yield cloud
    cloud.stop()


def items(bodies):
    return [record.item for record in map(decode_record, bodies) if isinstance(record, Result)]


def stamps(bodies):
    return [record.at_ms for record in map(decode_record, bodies) if isinstance(record, Result)]


@pytest.mark.parametrize("jump_ms", JUMPS_MS.values(), ids=JUMPS_MS)
def test_a_jump_while_records_are_made_and_drained_changes_no_order_and_loses_nothing(tmp_path, cloud, jump_ms):
    clock = HandClock()
    data = enrolled(tmp_path / "data", cloud.url)
    journal = Journal(data / "journal", clock)
    http = HttpCloud(cloud.url, credentials=load_identity(data).credentials(), clock=clock)
    sync = Sync(http, journal=journal, interval_s=lambda: 2.0, clock=clock)
    sync._limit = 100
    for number in range(300):
        journal.append(result(number, clock.wall_ms()))
    sync.turn()
    clock.wall_offset_ms += jump_ms
    for number in range(300, 500):
        journal.append(result(number, clock.wall_ms()))
    while journal.backlog().count:
        assert sync.turn() == 0.0, "a jump must not make the device wait"
    journal.close()
    http.close()
    bodies = inspection_bodies(cloud.ledger)
    leave_facts(f"F14-{jump_ms}", seed=0, records=len(bodies))
    assert items(bodies) == [f"part-{number:05}" for number in range(500)]
    in_order_of_time = sorted(bodies, key=lambda body: decode_record(body).at_ms)
    is_back = jump_ms < 0
    assert (items(in_order_of_time) != items(bodies)) == is_back, "control: ordering by time shows the jump"


def held_from(journal):
    """The first number that would go out again if the cloud had nothing."""
    (state,) = [state for state in journal.streams() if state.kind is StreamKind.INSPECTION]
    for _ in range(2):
        journal.acked(StreamAck(stream=state.stream, watermark=0))
    first_seq = journal.batch(StreamKind.INSPECTION, 1).first_seq
    journal.acked(StreamAck(stream=state.stream, watermark=state.last_seq))
    return first_seq


def acked_journal(folder, clock):
    journal = Journal(folder, clock)
    for number in range(10):
        journal.append(result(number, clock.wall_ms()))
    (state,) = [state for state in journal.streams() if state.kind is StreamKind.INSPECTION]
    journal.acked(StreamAck(stream=state.stream, watermark=10))
    return journal


def pass_upkeep(journal, clock, hours):
    clock.turn(hours * 3600)
    for _ in range(2):
        journal.append(result(99, clock.wall_ms()))


@pytest.mark.parametrize("jump_ms", JUMPS_MS.values(), ids=JUMPS_MS)
def test_acknowledged_records_stay_a_day_whatever_the_wall_clock_says(tmp_path, jump_ms):
    clock = HandClock()
    journal = acked_journal(tmp_path, clock)
    clock.wall_offset_ms += jump_ms
    pass_upkeep(journal, clock, 1)
    assert held_from(journal) == 1, "forgotten by the wall clock"
    pass_upkeep(journal, clock, RETENTION_MS / HOUR_MS + 2)
    assert held_from(journal) > 1, "kept for ever"
    journal.close()


def test_a_clock_that_was_wrong_at_the_acknowledgement_and_is_put_right_forgets_nothing_early(tmp_path):
    clock = HandClock(wall_ms=5_000_000)
    acked_journal(tmp_path, clock).close()
    right = HandClock()
    journal = Journal(tmp_path, right)
    pass_upkeep(journal, right, 1)
    assert held_from(journal) == 1
    journal.close()


# A whole process whose wall clock jumps while it runs


class Jumps:
    """The wall clock of a process, in a file that libfaketime reads at each look at the clock."""

    def __init__(self, file):
        self._file = file
        self.set("+0")

    def set(self, text):
        new = self._file.with_suffix(".new")
        new.write_text(text + "\n")
        new.replace(self._file)

    @property
    def environment(self):
        return {
            "LD_PRELOAD": str(FAKETIME_LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            # The monotonic clock does not jump on a real machine either.
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }


def agent_through_jumps(tmp_path, cloud, *, module="edge_agent", silence_max_s=10.0):
    """The device. Raises TimeoutError when the line heard nothing for so long after a jump."""
    jumps = Jumps(tmp_path / "clock")
    agent = AgentProcess(tmp_path / "device", cloud.url, module=module)
    agent.environment = jumps.environment
    agent.start()
    try:
        # What the cloud's time is must be known before stamps can be marked.
        wait_until(lambda: cloud.ledger.of_kind(StreamKind.INSPECTION), 30)
        for text in ("-3600", "+3600", "+315360000", "@1970-01-02 00:00:00", "+0"):
            jumps.set(text)
            enough = len(agent.told()) + 5
            wait_until(lambda enough=enough: len(agent.told()) > enough, silence_max_s)
    finally:
        agent.kill()
    agent.environment = {}
    return agent


@needs_faketime
def test_a_process_whose_wall_clock_jumps_goes_on_and_marks_its_stamps(tmp_path, cloud):
    agent = agent_through_jumps(tmp_path, cloud)
    catch_up(agent, cloud)
    bodies = inspection_bodies(cloud.ledger)
    findings = compare(agent.told(), bodies, kill_count=1)
    untrusted = sum(not record.is_time_trusted for record in map(decode_record, bodies) if isinstance(record, Result))
    leave_facts("F14-process", seed=0, told=len(agent.told()), untrusted=untrusted)
    agent.close()
    assert findings.are_none, findings
    streams = {stream: held.bodies for stream, held in cloud.ledger.streams.items()}
    assert compare_journal(agent.journal_folder, streams).are_none
    assert untrusted > 0
    assert min(stamps(bodies)) < max(stamps(bodies)) - 9 * 365 * 24 * HOUR_MS, "the clock did not jump"


@needs_faketime
def test_a_device_that_times_itself_by_the_wall_clock_is_caught(tmp_path, cloud):
    with pytest.raises(TimeoutError):
        agent_through_jumps(tmp_path, cloud, module="tests.kit.wall_clock_agent", silence_max_s=2)
