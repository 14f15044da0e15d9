"""The story of one installation: started, refused twice, killed, started again with its data, stopped."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from hybridai.embedded.locations import Locations, locations
from tests.kit.programs import PROJECT_ROOT, Run

UP = ["manage.py", "up"]
OURS = ("DATABASE_URL", "REDIS_URL")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def where(tmp_path: Path) -> Locations:
    return locations(tmp_path / "data")


@pytest.fixture
def env(where: Locations) -> dict[str, str]:
    """What a stranger's shell has: nothing of ours but the folder and two ports."""
    chosen = {"HYBRIDAI_SITE_PORT": str(free_port()), "HYBRIDAI_GATEWAY_PORT": str(free_port())}
    kept = {name: value for name, value in os.environ.items() if name not in OURS}
    return {**kept, **chosen, "HYBRIDAI_DATA": str(where.data_dir)}


@pytest.fixture
def first(where: Locations, env: dict[str, str]) -> Iterator[Run]:
    run = Run(where.data_dir, UP, env)
    yield run
    run.close()


@pytest.fixture
def second(where: Locations, env: dict[str, str], first: Run) -> Iterator[Run]:
    """Starts on the data that a killed first one left."""
    first.line("The site is up")
    with psycopg.connect(where.database_url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1")
    first.end(signal.SIGKILL)
    run = Run(where.data_dir, UP, env)
    yield run
    run.close()


def refusal(env: dict[str, str]) -> str:
    done = subprocess.run([sys.executable, *UP], cwd=PROJECT_ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    return done.stderr


def test_a_running_installation_is_not_disturbed_by_a_second_start(first: Run, env: dict[str, str], tmp_path: Path):
    first.line("The site is up")
    assert "in use by another running installation" in refusal(env)
    assert "HYBRIDAI_SITE_PORT" in refusal({**env, "HYBRIDAI_DATA": str(tmp_path / "other")})
    assert first.end(signal.SIGINT) == 0
    assert not first.children()


def test_kill_9_costs_nothing_that_was_committed_and_the_next_start_is_ordinary(second: Run, where: Locations):
    second.line("The site is up")
    with psycopg.connect(where.database_url) as connection:
        assert connection.execute("SELECT * FROM kept").fetchall() == [(1,)]
    assert not [line for line in second.lines if "crashed" in line]
    assert second.end(signal.SIGTERM) == 0
    assert not second.children()
