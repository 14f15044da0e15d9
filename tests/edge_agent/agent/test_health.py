"""What a device says of itself."""

import threading

import pytest

from edge_agent.health import HealthMeter, HealthReporter
from edge_agent.journal import Backlog, JournalUnavailable, Ticket
from edge_agent.wire.configuration import OperationSettings
from tests.kit.handclock import HandClock


class JournalStub:
    def __init__(self):
        self.used_bytes = 0
        self.records = []

    def backlog(self):
        return Backlog(count=3, bytes=400, images_waiting=2)

    def submit(self, record):
        self.records.append(record)
        return Ticket()


@pytest.fixture
def scene(tmp_path):
    clock, journal = HandClock(), JournalStub()
    meter = HealthMeter(
        tmp_path,
        journal=journal,
        settings=lambda: OperationSettings(disk_budget_mb=100),
        restart_count=lambda: 4,
        clock=clock,
    )
    return meter, journal, clock


def test_facts_come_from_the_journal_and_the_machine(scene):
    meter, _, clock = scene
    clock.turn(5)
    facts = meter.facts()
    assert (facts.backlog_count, facts.backlog_bytes, facts.images_waiting, facts.restart_count) == (3, 400, 2, 4)
    assert 0 < facts.memory_ratio < 1
    assert facts.agent_memory_bytes > 1_000_000
    assert facts.uptime_s == 5


def test_what_was_not_measured_is_none_not_zero(scene):
    meter, _, _ = scene
    facts = meter.facts()
    assert facts.cpu_ratio is None
    assert facts.buffer_left_h is None


def test_the_buffer_lasts_for_the_budget_at_the_growth_seen(scene):
    meter, journal, clock = scene
    clock.turn(3600)
    journal.used_bytes = 10 * 1024 * 1024
    assert meter.facts().buffer_left_h == pytest.approx(9.0)


class StopAfter(HandClock):
    """Ends the part after so many waits."""

    def __init__(self, wait_count):
        super().__init__()
        self._left = wait_count

    def wait(self, event, timeout_s):
        self._left -= 1
        if self._left == 0:
            event.set()
        return super().wait(event, timeout_s)


def test_the_interval_is_the_configured_one_and_a_pushed_one_holds_at_once(scene):
    meter, journal, _ = scene
    clock = StopAfter(121)
    pushed = [OperationSettings(health_interval_s=3600)]
    reporter = HealthReporter(meter, journal=journal, settings=lambda: pushed[0], clock=clock)
    reporter.run(threading.Event())
    assert len(journal.records) == 1
    pushed[0] = OperationSettings(health_interval_s=30)
    reporter = HealthReporter(meter, journal=journal, settings=lambda: pushed[0], clock=StopAfter(121))
    reporter.run(threading.Event())
    assert len(journal.records) == 1 + 4


class FailingJournal(JournalStub):
    def submit(self, record):
        raise JournalUnavailable("planted")


def test_a_full_journal_does_not_end_the_reporter(scene):
    meter, _, clock = scene
    reporter = HealthReporter(meter, journal=FailingJournal(), settings=OperationSettings, clock=clock)
    reporter.report()
    reporter.report()
