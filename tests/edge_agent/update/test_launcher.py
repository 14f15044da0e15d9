"""The launcher starts the proven agent or the one on trial, and always ends with one that works."""

import os
import textwrap
import threading

import pytest

from edge_agent.launcher import Launcher
from edge_agent.update.pointer import (
    Pointer,
    given_up,
    next_run,
    proven,
    read_pointer,
    tried,
    write_pointer,
)


def fake_agent(folder, name, body):
    """An installation whose agent writes its name to `ran` and then does `body`."""
    package = folder / "agents" / name / "edge_agent"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    lines = [
        "import json, os, pathlib, sys, time",
        "folder = pathlib.Path(sys.argv[1])",
        "ran = folder / 'ran'",
        f"ran.write_text((ran.read_text() if ran.exists() else '') + {name!r} + '\\n')",
        "pointer = folder / 'agent.json'",
        "def point(**changes):",
        "    pointer.write_text(json.dumps({**json.loads(pointer.read_text()), **changes}))",
        textwrap.dedent(body),
    ]
    (package / "__main__.py").write_text("\n".join(lines))


def launched(folder, pointer, confirm_s=20.0):
    """(exit status, the names of the agents that ran)"""
    write_pointer(folder, pointer)
    status = Launcher(folder, (str(folder),), confirm_s=confirm_s).run(threading.Event())
    return status, (folder / "ran").read_text().split()


@pytest.fixture
def folder(tmp_path):
    fake_agent(tmp_path, "old", "sys.exit(7)")
    return tmp_path


def test_a_new_agent_that_reports_healthy_stays(folder):
    fake_agent(folder, "new", "point(active='new', previous='old', trial='', try_count=0); sys.exit(5)")
    assert launched(folder, tried(Pointer(active="old"), "new")) == (5, ["new"])
    assert launched(folder, read_pointer(folder)) == (5, ["new", "new"])


@pytest.mark.parametrize("end", ["sys.exit(1)", "os.abort()", "import no_such_module", "sys.exit(0)"])
def test_a_new_agent_that_ends_is_started_three_times_and_then_the_old_one_runs(folder, end):
    fake_agent(folder, "new", end)
    assert launched(folder, tried(Pointer(active="old"), "new")) == (7, ["new", "new", "new", "old"])
    after = read_pointer(folder)
    assert (after.active, after.trial, after.failed) == ("old", "", "new")


def test_a_new_agent_that_hangs_is_ended_after_one_try(folder):
    fake_agent(folder, "new", "time.sleep(600)")
    assert launched(folder, tried(Pointer(active="old"), "new"), confirm_s=0.5) == (7, ["new", "old"])
    assert read_pointer(folder).failed == "new"


def test_an_agent_that_asks_for_a_trial_is_followed_by_it(folder):
    fake_agent(folder, "asking", "point(trial='new', try_count=0); sys.exit(0)")
    fake_agent(folder, "new", "point(active='new', previous='asking', trial='', try_count=0); sys.exit(3)")
    assert launched(folder, Pointer(active="asking")) == (3, ["asking", "new"])


def test_a_proven_agent_that_ends_is_left_to_the_service_manager(folder):
    assert launched(folder, Pointer(active="old")) == (7, ["old"])


def test_a_proven_agent_that_is_gone_from_disk_gives_way_to_the_one_before(folder):
    assert launched(folder, Pointer(active="vanished", previous="old")) == (7, ["old"])


def test_a_launcher_killed_at_any_moment_has_counted_its_try(folder):
    pointer = tried(Pointer(active="old"), "new")
    runs = []
    for _ in range(5):
        pointer, name = next_run(pointer, lambda name: True)
        runs.append(name)
    assert runs == ["new", "new", "new", "old", "old"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"unknown": 1}', b"\xff"])
def test_a_damaged_pointer_means_the_base_installation(folder, content):
    (folder / "agent.json").write_bytes(content)
    assert next_run(read_pointer(folder), lambda name: True)[1] == ""


def test_only_the_one_on_trial_can_prove_itself():
    on_trial = tried(Pointer(active="old"), "new")
    assert proven(on_trial, "other") == on_trial
    assert proven(on_trial, "new") == Pointer(active="new", previous="old")
    assert proven(given_up(on_trial), "new").active == "old"


def test_the_pointer_survives_a_cut_at_any_moment_of_its_change(folder, monkeypatch):
    class Cut(BaseException):
        pass

    write_pointer(folder, Pointer(active="old"))
    real, left = os.fsync, []

    def fsync(handle):
        if not left:
            raise Cut
        left.pop()
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    for allowed_count in (0, 1):
        left[:] = [None] * allowed_count
        with pytest.raises(Cut):
            write_pointer(folder, Pointer(active="new"))
        assert read_pointer(folder).active in ("old", "new")
