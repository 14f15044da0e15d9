"""The only poll: at the server's interval, spread, and stopped by nothing."""

import threading

import msgspec
import pytest

from edge_agent.checkin import Checkin, CheckinFacts, delay_after_failure_s, delay_after_success_s
from edge_agent.cloud import CloudRefused, CloudUnreachable
from edge_agent.journal import JournalFull
from edge_agent.orders import Orders
from edge_agent.wire.codec import encode
from edge_agent.wire.configuration import Configuration
from edge_agent.wire.messages import DesiredState, Hardware, StreamAck, StreamState
from edge_agent.wire.words import StreamKind
from tests.kit.handclock import HandClock

STREAM = "ab" * 16


class OneAnswerCloud:
    def __init__(self, answer):
        self.answer = answer
        self.requests = []

    def checkin(self, request):
        self.requests.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Ledger:
    def __init__(self):
        self.records = []
        self.acks = []

    def append(self, record):
        self.records.append(record)
        return len(self.records)

    def streams(self):
        return [StreamState(stream=STREAM, kind=StreamKind.CONTROL, last_seq=len(self.records))]

    def acked(self, ack):
        self.acks.append(ack)


class Versions:
    active_digest = "a" * 64
    previous_digest = None


def state(**fields):
    return DesiredState(**{"revision": "1", "checkin_interval_s": 20.0, "server_time_ms": 1, **fields})


class World:
    def __init__(self, folder, answer, ledger=None):
        self.clock = HandClock()
        self.cloud = OneAnswerCloud(answer)
        self.orders = Orders(folder, self.clock)
        self.ledger = ledger or Ledger()
        self.checkin = Checkin(
            self.cloud,
            orders=self.orders,
            versions=Versions(),
            journal=self.ledger,
            clock=self.clock,
            facts=CheckinFacts(hardware=Hardware(machine="x86_64"), extras=lambda: {"shadow": "c" * 64}),
        )


@pytest.mark.parametrize("ratio", [0.0, 0.5, 0.999])
def test_the_delay_is_spread_around_the_servers_interval(ratio):
    assert 10.0 <= delay_after_success_s(20.0, ratio) <= 30.0


@pytest.mark.parametrize("interval_s", [0.0, -5.0, 0.01, float("nan"), float("inf"), 1e12])
@pytest.mark.parametrize("ratio", [0.0, 0.999])
def test_no_interval_makes_it_faster_than_a_second_or_silent_for_hours(interval_s, ratio):
    assert 1.0 <= delay_after_success_s(interval_s, ratio) <= 1.5 * 3600
    assert 1.0 <= delay_after_failure_s(interval_s, None, ratio) <= 3600


def test_after_a_failure_it_is_back_within_one_interval():
    assert delay_after_failure_s(20.0, None, 0.999) <= 20.0


def test_a_wished_pause_is_kept_and_the_return_is_spread_over_the_interval():
    assert delay_after_failure_s(20.0, 30.0, 0.0) >= 30.0
    assert delay_after_failure_s(20.0, 30.0, 0.999) > 45.0


def test_it_says_what_runs_and_takes_what_is_wanted(tmp_path):
    acks = [StreamAck(stream=STREAM, watermark=4)]
    world = World(tmp_path, state(streams=acks))
    delay_s = world.checkin.check_in()
    (request,) = world.cloud.requests
    assert (request.active_digest, request.streams[0].stream) == ("a" * 64, STREAM)
    assert request.hardware.machine == "x86_64"
    assert request.extras == {"shadow": "c" * 64}
    assert world.orders.state.revision == "1"
    assert world.ledger.acks == acks
    assert 10.0 <= delay_s <= 30.0


def test_it_reports_a_configuration_once(tmp_path):
    configuration = msgspec.Raw(encode(Configuration()))
    world = World(tmp_path, state(configuration_revision=2, configuration=configuration))
    world.checkin.check_in()
    world.checkin.check_in()
    assert [(record.revision, record.is_applied) for record in world.ledger.records] == [(2, True)]
    assert world.cloud.requests[1].configuration_revision == 2
    assert world.cloud.requests[1].orders_revision == "1"


def test_it_reports_why_a_configuration_was_refused(tmp_path):
    world = World(tmp_path, state(configuration_revision=2, configuration=msgspec.Raw(b"\x81\xa1x\x01")))
    world.checkin.check_in()
    (report,) = world.ledger.records
    assert not report.is_applied
    assert "x" in report.reason


@pytest.mark.parametrize("error", [CloudUnreachable("off"), CloudRefused("device_revoked", "Revoked.")])
def test_neither_an_outage_nor_a_refusal_stops_it(tmp_path, error, caplog):
    world = World(tmp_path, error)
    for _ in range(50):
        assert world.checkin.check_in() >= 1.0
    assert len([record for record in caplog.records if "checkin_failed" in record.message]) == 1
    world.cloud.answer = state()
    world.checkin.check_in()
    assert world.orders.state.revision == "1"


def test_an_unsaved_order_does_not_stop_it(tmp_path):
    world = World(tmp_path, state())
    (tmp_path / "orders.msgpack").mkdir()
    assert world.checkin.check_in() >= 1.0
    assert world.orders.state is None


class FullLedger(Ledger):
    is_full = True

    def append(self, record):
        if self.is_full:
            raise JournalFull("planted")
        return super().append(record)


def test_a_full_journal_does_not_stop_it_and_the_report_comes_later(tmp_path):
    configuration = msgspec.Raw(encode(Configuration()))
    acks = [StreamAck(stream=STREAM, watermark=4)]
    world = World(tmp_path, state(configuration_revision=2, configuration=configuration, streams=acks), FullLedger())
    assert world.checkin.check_in() >= 1.0
    assert (world.ledger.records, world.ledger.acks) == ([], acks)
    world.ledger.is_full = False
    world.checkin.check_in()
    assert [record.revision for record in world.ledger.records] == [2]


def test_it_runs_until_it_is_stopped(tmp_path):
    stop = threading.Event()
    world = World(tmp_path, state())

    class StoppingCloud(OneAnswerCloud):
        def checkin(self, request):
            if len(self.requests) == 4:
                stop.set()
            return super().checkin(request)

    world.checkin._cloud = cloud = StoppingCloud(state())
    world.checkin.run(stop)
    assert len(cloud.requests) == 5
    assert world.clock.waited_s[0] <= 5.0
    assert all(10.0 <= waited_s <= 30.0 for waited_s in world.clock.waited_s[1:])
