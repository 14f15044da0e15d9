"""Real programs, really killed: what a stop, a crash and a `kill -9` leave behind."""

import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kit.programs import Run, eventually

Start = Callable[[str], Run]


def test_children_start_only_after_the_migration_ended_well(start: Start, tmp_path: Path) -> None:
    run = start("steady")
    run.line("web ready")
    assert eventually((tmp_path / "web-saw-it").exists, 10)


def test_a_failed_migration_stops_everything_and_says_why(start: Start, tmp_path: Path) -> None:
    run = start("failing_step")
    _, errors = run.program.communicate(timeout=30)
    assert run.program.returncode == 1
    assert "migrate" in errors
    assert "no such table" in errors
    assert not (tmp_path / "web-started").exists()


def test_a_crashing_child_is_restarted_with_growing_pauses(start: Start) -> None:
    run = start("crashing")
    told = [run.line("weak crashed") for _ in range(3)]
    pauses = [float(re.search(r"restart_in_s=([\d.]+)", line)[1]) for line in told]
    assert pauses == [0.5, 1.0, 2.0]
    assert "status=3 out of luck" in told[0]


def test_what_depends_on_a_server_outlives_its_restart(start: Start) -> None:
    run = start("server_that_restarts")
    run.line("web ready")
    run.line("server crashed")
    run.line("server ready")
    assert not any(line.startswith(("web crashed", "web stopped")) for line in run.lines)


def test_a_child_may_be_added_while_running(start: Start) -> None:
    run = start("growing")
    run.line("second ready")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_signal_ends_every_child_and_is_a_success(start: Start, number: signal.Signals) -> None:
    run = start("steady")
    run.line("web ready")
    assert run.end(number) == 0
    assert not run.children()


def test_a_stop_ends_deaf_children_and_their_children_within_ten_seconds(start: Start) -> None:
    run = start("with_family")
    run.line("pool ready")
    assert eventually(lambda: len(run.children()) == 2, 10)
    run.program.send_signal(signal.SIGTERM)
    assert run.program.wait(timeout=10) == 0
    assert not run.children()


def test_kill_9_of_the_supervisor_leaves_no_orphan(start: Start) -> None:
    run = start("with_family")
    run.line("pool ready")
    assert eventually(lambda: len(run.children()) == 2, 10)
    run.end(signal.SIGKILL)
    assert run.is_empty_within(10)


def test_a_second_start_on_the_same_folder_is_refused_and_the_first_goes_on(start: Start) -> None:
    first = start("steady")
    first.line("web ready")
    second = start("steady")
    _, errors = second.program.communicate(timeout=30)
    assert second.program.returncode == 1
    assert "in use by another running installation" in errors
    assert first.program.poll() is None


def test_kill_9_of_the_supervisor_takes_both_servers_along_and_the_next_start_works_at_once(start: Start) -> None:
    first = start("real_servers")
    first.line("web ready")
    assert len(first.children()) > 3
    first.end(signal.SIGKILL)
    second = start("real_servers")
    second.line("web ready")
    assert second.end(signal.SIGTERM) == 0
    assert not second.children()
