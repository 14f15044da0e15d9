"""A command is answered once, whatever restarts come between."""

import pytest

from edge_agent.commands import Commands, Done
from edge_agent.journal import JournalUnavailable
from edge_agent.orders import Orders
from edge_agent.wire.messages import Command, DesiredState
from edge_agent.wire.words import CommandKind, CommandOutcome
from tests.kit.handclock import HandClock
from tests.kit.updating import ListJournal


class World:
    def __init__(self, folder, journal=None, handler=lambda arguments: "all is well"):
        self.folder = folder
        self.clock = HandClock()
        self.journal = journal or ListJournal()
        self.orders = Orders(folder, self.clock)
        self.commands = Commands(
            folder,
            orders=self.orders,
            journal=self.journal,
            clock=self.clock,
            handlers={CommandKind.HEALTH_CHECK: handler},
        )

    def order(self, *ids, expires_in_s=60.0, kind=CommandKind.HEALTH_CHECK, **arguments):
        commands = [Command(command_id=one, kind=kind, expires_in_s=expires_in_s, arguments=arguments) for one in ids]
        self.orders.accept(DesiredState(revision="1", checkin_interval_s=1.0, server_time_ms=0, commands=commands))


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def test_a_command_is_answered(world):
    world.order("c1")
    assert world.commands.run_due() == 1
    (answer,) = world.journal.records
    assert (answer.command_id, answer.outcome, answer.text) == ("c1", CommandOutcome.SUCCEEDED, "all is well")


def test_a_command_offered_again_is_not_run_again(world):
    for _ in range(3):
        world.order("c1", "c2")
        world.commands.run_due()
    assert [answer.command_id for answer in world.journal.records] == ["c1", "c2"]


def test_a_restart_does_not_answer_twice(world, tmp_path):
    world.order("c1")
    world.commands.run_due()
    again = World(tmp_path, journal=world.journal)
    again.order("c1")
    again.commands.run_due()
    assert len(world.journal.records) == 1


def test_a_command_of_a_newer_cloud_fails_alone_and_says_why(world):
    world.order("c1", kind="dance")
    world.commands.run_due()
    (answer,) = world.journal.records
    assert answer.outcome == CommandOutcome.FAILED
    assert "'dance'" in answer.text


def test_an_expired_command_is_not_run(world):
    world.order("c1", expires_in_s=30.0)
    world.clock.turn(31)
    assert world.commands.run_due() == 0
    assert world.journal.records == []


def test_a_command_that_fails_is_answered_with_why(tmp_path):
    def broken(arguments):
        raise RuntimeError("no sensor")

    world = World(tmp_path, handler=broken)
    world.order("c1")
    world.commands.run_due()
    (answer,) = world.journal.records
    assert answer.outcome is CommandOutcome.FAILED
    assert "no sensor" in answer.text


def test_a_very_long_answer_is_cut_to_what_the_wire_takes(tmp_path):
    world = World(tmp_path, handler=lambda arguments: "x" * 100_000)
    world.order("c1")
    world.commands.run_due()
    assert len(world.journal.records[0].text) == 20_000


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff"])
def test_damaged_memory_of_answers_does_not_stop_the_agent(tmp_path, content):
    (tmp_path / "answered_commands.json").write_bytes(content)
    world = World(tmp_path)
    world.order("c1")
    assert world.commands.run_due() == 1


def test_a_command_gets_its_arguments(tmp_path):
    world = World(tmp_path, handler=lambda arguments: arguments["line"])
    world.order("c1", line="line-2")
    world.commands.run_due()
    assert world.journal.records[0].text == "line-2"


class FullJournal(ListJournal):
    def __init__(self, refusals):
        super().__init__()
        self.refusals = refusals

    def append(self, record):
        if self.refusals > 0:
            self.refusals -= 1
            raise JournalUnavailable("full")
        return super().append(record)


def test_an_answer_that_the_journal_did_not_take_is_recorded_later_without_running_the_command_again(tmp_path):
    runs = []
    world = World(tmp_path, journal=FullJournal(3), handler=lambda arguments: runs.append(1) or "done")
    world.order("c1")
    for _ in range(3):
        with pytest.raises(JournalUnavailable):
            world.commands.run_due()
    world.clock.turn(100_000)
    world.commands.run_due()
    assert (len(runs), [answer.text for answer in world.journal.records]) == (1, ["done"])


def test_what_must_not_happen_twice_happens_after_the_answer_is_durable_and_remembered(tmp_path):
    seen = []

    def restart():
        answered = (tmp_path / "answered_commands.json").read_text()
        seen.append((answered, [answer.command_id for answer in world.journal.records]))

    world = World(tmp_path, journal=FullJournal(1), handler=lambda arguments: Done("restarting", then=restart))
    world.order("c1")
    with pytest.raises(JournalUnavailable):
        world.commands.run_due()
    assert seen == []
    world.commands.run_due()
    assert seen == [('["c1"]', ["c1"])]
    again = World(tmp_path, handler=lambda arguments: Done("again", then=restart))
    again.order("c1")
    again.commands.run_due()
    assert len(seen) == 1
