"""Orders survive restarts, and a wrong configuration leaves the last good one in force."""

import msgspec
import pytest

from edge_agent.orders import Orders
from edge_agent.wire.codec import encode
from edge_agent.wire.configuration import Configuration, InspectionSettings
from edge_agent.wire.messages import Command, DesiredState, StreamAck
from edge_agent.wire.words import CommandKind
from tests.kit.handclock import HandClock
from tests.kit.models import tiny_package

GOOD = Configuration(inspection=InspectionSettings(takt_ms=500))
BAD = {
    "unknown_field": {"inspection": {"tact_ms": 5}},
    "out_of_bounds": {"inspection": {"takt_ms": 1}},
    "wrong_type": {"inspection": []},
    "no_map": 7,
}


def state(**fields):
    return DesiredState(**{"revision": "1", "checkin_interval_s": 5.0, "server_time_ms": 1, **fields})


def configured(revision, configuration):
    raw = encode(configuration) if isinstance(configuration, msgspec.Struct) else msgspec.msgpack.encode(configuration)
    return state(revision=str(revision), configuration_revision=revision, configuration=msgspec.Raw(raw))


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def orders(tmp_path, clock):
    return Orders(tmp_path, clock)


def test_before_the_first_checkin_the_agents_own_settings_hold(orders):
    assert orders.state is None
    assert orders.configuration == Configuration()
    assert orders.configuration_revision == 0
    assert orders.report_due() is None


def test_orders_survive_a_restart(tmp_path, clock, orders):
    offer = tiny_package(tmp_path).offer()
    orders.accept(state(model=offer))
    orders.accept(msgspec.structs.replace(configured(3, GOOD), model=offer))
    again = Orders(tmp_path, clock)
    assert again.state.model == offer
    assert (again.configuration, again.configuration_revision) == (GOOD, 3)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_configuration_keeps_the_last_good_one_and_says_why(tmp_path, clock, orders, name):
    orders.accept(configured(3, GOOD))
    orders.reported(3)
    orders.accept(configured(4, BAD[name]))
    for held in (orders, Orders(tmp_path, clock)):
        assert (held.configuration, held.configuration_revision) == (GOOD, 3)
        report = held.report_due()
        assert (report.revision, report.is_applied) == (4, False)
        assert report.reason


def test_a_bad_configuration_does_not_hide_the_rest_of_the_orders(tmp_path, orders):
    offer = tiny_package(tmp_path).offer()
    change = orders.accept(msgspec.structs.replace(configured(4, BAD["no_map"]), model=offer))
    assert orders.state.model == offer
    assert change.has_model_changed
    assert not change.has_configuration_changed


def test_a_good_configuration_after_a_bad_one_is_taken(orders):
    orders.accept(configured(4, BAD["no_map"]))
    orders.accept(configured(5, GOOD))
    assert orders.configuration == GOOD
    assert orders.report_due().is_applied


def test_a_report_is_due_once_per_revision_restarts_included(tmp_path, clock, orders):
    orders.accept(configured(3, GOOD))
    assert orders.report_due().revision == 3
    orders.reported(3)
    assert orders.report_due() is None
    assert Orders(tmp_path, clock).report_due() is None


def test_an_unchanged_state_costs_no_write_and_rings_no_bell(tmp_path, orders):
    orders.accept(state())
    bell = orders.bell()
    written = (tmp_path / "orders.msgpack").stat().st_mtime_ns
    orders.accept(state(server_time_ms=99, streams=[StreamAck(stream="0" * 32, watermark=5)]))
    assert (tmp_path / "orders.msgpack").stat().st_mtime_ns == written
    assert not bell.is_set()
    orders.accept(state(revision="2"))
    assert bell.is_set()


def test_each_listener_has_its_own_bell(orders):
    first, second = orders.bell(), orders.bell()
    orders.accept(state())
    first.clear()
    assert second.is_set()


def test_commands_are_not_brought_back_by_a_restart_because_their_age_is_unknown(tmp_path, clock, orders):
    command = Command(command_id="c1", kind=CommandKind.HEALTH_CHECK, expires_in_s=60.0)
    orders.accept(state(commands=[command]))
    assert [received.command for received in orders.commands] == [command]
    assert Orders(tmp_path, clock).commands == ()


@pytest.mark.parametrize("content", [b"", b"\x00garbage", b"\x81"])
def test_a_damaged_file_means_no_orders_and_not_no_agent(tmp_path, clock, content):
    (tmp_path / "orders.msgpack").write_bytes(content)
    orders = Orders(tmp_path, clock)
    assert orders.state is None
    orders.accept(configured(3, GOOD))
    assert Orders(tmp_path, clock).configuration == GOOD


def test_when_the_disk_fails_the_old_orders_hold(tmp_path, orders, clock):
    orders.accept(configured(3, GOOD))
    (tmp_path / "orders.msgpack").unlink()
    (tmp_path / "orders.msgpack").mkdir()
    with pytest.raises(OSError):
        orders.accept(configured(4, Configuration()))
    assert orders.configuration_revision == 3
