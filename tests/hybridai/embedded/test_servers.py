"""The two servers as they are run in production: durable, killed without warning, started again."""

import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from hybridai.embedded import postgres
from hybridai.embedded.children import Child, ChildSpec
from hybridai.embedded.errors import BinariesMissing, DataFolderInUse, DiskFull, ServerFailed, explained
from hybridai.embedded.locations import Locations, locations
from hybridai.embedded.postgres import postgres_spec
from hybridai.embedded.valkey import valkey_spec


@contextmanager
def running(spec: ChildSpec) -> Iterator[Child]:
    child = Child(spec)
    try:
        child.start()
        child.wait_ready()
        yield child
    finally:
        child.stop()


@pytest.fixture(scope="module")
def where(tmp_path_factory: pytest.TempPathFactory) -> Locations:
    """One cluster for the whole module: what a test leaves is the next one's past."""
    place = locations(tmp_path_factory.mktemp("servers") / "data")
    with running(postgres_spec(place)) as child, psycopg.connect(place.database_url) as connection:
        connection.execute("CREATE TABLE kept (word text)")
        assert child.is_running()
    return place


def kill_all(child: Child) -> None:
    """What a power cut does to the programs: all at once, without a last word."""
    root = psutil.Process(child.pid)
    for process in [root, *root.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):  # a session that had just ended
            process.kill()
    assert child.has_ended_within(10)


def test_nothing_committed_is_lost_by_kill_9_of_everything(where: Locations) -> None:
    with running(postgres_spec(where)) as child:
        with psycopg.connect(where.database_url) as connection:
            connection.execute("INSERT INTO kept VALUES ('before the cut')")
        kill_all(child)
    with running(postgres_spec(where)), psycopg.connect(where.database_url) as connection:
        assert connection.execute("SELECT word FROM kept").fetchall() == [("before the cut",)]


def test_a_process_file_that_names_a_stranger_does_not_block_a_start(where: Locations) -> None:
    (where.postgres_data / "postmaster.pid").write_text(f"{os.getpid()}\n{where.postgres_data}\n")
    with running(postgres_spec(where)) as child:
        assert child.is_running()


def test_a_cluster_that_is_served_is_left_alone(where: Locations) -> None:
    with running(postgres_spec(where)) as first:
        with pytest.raises(DataFolderInUse):
            Child(postgres_spec(where, patience_s=0.3)).start()
        assert first.is_running()


def test_half_a_cluster_of_an_interrupted_first_start_is_built_again(tmp_path: Path) -> None:
    place = locations(tmp_path / "data")
    unfinished = place.data_dir / "postgres.unfinished"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("1")
    with running(postgres_spec(place, postgres.FORGETFUL)):
        assert not unfinished.exists()


def test_only_the_owner_can_reach_the_servers(where: Locations) -> None:
    with running(postgres_spec(where)) as database, running(valkey_spec(where)) as queue:
        assert stat.S_IMODE(where.postgres_sockets.stat().st_mode) == 0o700
        for child in (database, queue):
            assert not psutil.Process(child.pid).net_connections("inet")


def test_the_queue_outlives_kill_9(where: Locations) -> None:
    with running(valkey_spec(where)) as child:
        with redis.Redis.from_url(where.redis_url) as client:
            client.set("kept", "yes")
            client.execute_command("WAITAOF", 1, 0, 10_000)
        kill_all(child)
    with running(valkey_spec(where)), redis.Redis.from_url(where.redis_url) as client:
        assert client.get("kept") == b"yes"


def test_servers_of_a_deep_folder_are_reached_through_a_short_private_one(tmp_path: Path) -> None:
    place = locations(tmp_path / ("d" * 90))
    with running(valkey_spec(place)), redis.Redis.from_url(place.redis_url) as client:
        assert client.ping()
    assert stat.S_IMODE(place.postgres_sockets.stat().st_mode) == 0o700
    subprocess.run(["rm", "-rf", str(place.postgres_sockets)], check=True)


def test_a_server_that_cannot_start_says_why_and_where_to_read_on(where: Locations) -> None:
    child = Child(postgres_spec(where, {"shared_buffers": "a lot"}))
    child.start()
    with pytest.raises(ServerFailed, match=r"shared_buffers.*postgres\.log"):
        child.wait_ready()


def test_a_full_disk_is_recognised_in_a_servers_last_words(tmp_path: Path) -> None:
    last_words = 'FATAL:  could not write lock file "postmaster.pid": No space left on device\n'
    assert isinstance(explained("postgres", tmp_path / "postgres.log", last_words), DiskFull)


@pytest.mark.parametrize(("spec_of", "way_out"), [(postgres_spec, "DATABASE_URL"), (valkey_spec, "REDIS_URL")])
def test_missing_programs_are_named_with_both_ways_out(
    where: Locations, monkeypatch: pytest.MonkeyPatch, spec_of: Callable[[Locations], ChildSpec], way_out: str
) -> None:
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(BinariesMissing, match=f"not installed.*{way_out}"):
        spec_of(where)
