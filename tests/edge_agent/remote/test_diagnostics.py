"""The diagnostic shell runs what is listed, while a grant holds, and nothing else."""

import sys

import pytest

from edge_agent.diagnostics import ALLOWED, Diagnostics, NotGranted, bounded_output

NOW_MS = 1_700_000_000_000
LISTED = {"hello": ("echo", "hello")}


def run(now_ms=NOW_MS, until_ms=NOW_MS + 60_000, **arguments):
    granted = {"command": "hello", "grant_until_ms": str(until_ms), **arguments}
    return Diagnostics(lambda: now_ms, allowed=LISTED).run(granted)


def test_a_listed_command_runs_while_its_grant_holds():
    assert run() == "hello\n"


@pytest.mark.parametrize("until_ms", ["", "-1", "soon", str(NOW_MS), str(NOW_MS + 3_601_000)])
def test_without_a_grant_that_holds_nothing_runs(until_ms):
    with pytest.raises(NotGranted):
        run(until_ms=until_ms)


@pytest.mark.parametrize("command", ["", "rm", "hello; id", "hello id", "/bin/sh", "$(id)"])
def test_what_is_not_listed_does_not_run(command):
    with pytest.raises(NotGranted, match="is not one of"):
        run(command=command)


def test_no_listed_command_takes_words_of_a_person():
    assert all(isinstance(words, tuple) and "sh" not in words for words in ALLOWED.values())


def test_a_command_that_hangs_is_ended():
    assert bounded_output(["sleep", "60"], timeout_s=0.2).endswith("[ended: it took too long]")


def test_a_command_that_says_too_much_is_cut():
    text = bounded_output(["yes"], bytes_max=1000)
    assert len(text) < 1100
    assert text.endswith("[cut: it said too much]")


def test_a_command_sees_no_secret_of_the_agents_surroundings(monkeypatch):
    monkeypatch.setenv("AGENT_SECRET", "hunter2")
    assert "hunter2" not in bounded_output(["env"])


def test_a_command_that_fails_says_so():
    assert bounded_output([sys.executable, "-c", "raise SystemExit(3)"]) == "\n[exit status 3]"
