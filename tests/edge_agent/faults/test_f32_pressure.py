"""F32: no memory, no files, files that died, threads that died. The device comes back by itself, and never wedges."""

import os
import resource
import threading
import time
from pathlib import Path

import pytest

from edge_agent.clock import SystemClock
from edge_agent.journal import Journal, JournalError
from edge_agent.supervisor import Supervisor
from edge_agent.wire.records import Result
from edge_agent.wire.words import Verdict
from tests.kit.agents import AgentProcess
from tests.kit.cloud import FakeCloud
from tests.kit.fault_records import leave_facts
from tests.kit.kill_cycles import catch_up
from tests.kit.oracle import compare, compare_journal, inspection_bodies

BACK_MAX_S = 10.0
SEED = 0
PRESSURE_S = 1.0


def result(number):
    return Result(at_ms=number, line="line-1", item=f"part-{number}", verdict=Verdict.OK)


# A whole device, hurt from outside


@pytest.fixture
def cloud():
    cloud = FakeCloud()
    yield cloud
    cloud.stop()


@pytest.fixture
def agent(tmp_path, cloud):
    process = AgentProcess(tmp_path / "device", cloud.url)
    yield process
    process.close()


def recorded_count(agent):
    return sum(one.is_recorded for one in agent.told())


def seconds_until_it_records(agent, limit_s=BACK_MAX_S):
    """Starts the process anew when it ended, as a service manager does."""
    begun_s, count = time.monotonic(), recorded_count(agent)
    while recorded_count(agent) <= count + 3:
        assert time.monotonic() - begun_s < limit_s, agent.log()[-3000:]
        if agent.has_ended:
            agent.start()
        time.sleep(0.05)
    return time.monotonic() - begun_s


def assert_nothing_lost(agent, cloud):
    agent.stop()
    catch_up(agent, cloud)
    findings = compare(agent.told(), inspection_bodies(cloud.ledger), kill_count=2)
    assert findings.are_none, findings
    streams = {stream: held.bodies for stream, held in cloud.ledger.streams.items()}
    assert compare_journal(agent.journal_folder, streams).are_none


def test_a_device_short_of_memory_is_back_when_there_is_memory(agent, cloud):
    agent.start()
    limits = resource.prlimit(agent.pid, resource.RLIMIT_AS)
    now_bytes = int(Path(f"/proc/{agent.pid}/statm").read_text().split()[0]) * resource.getpagesize()
    resource.prlimit(agent.pid, resource.RLIMIT_AS, (now_bytes, limits[1]))
    time.sleep(PRESSURE_S)
    if not agent.has_ended:
        resource.prlimit(agent.pid, resource.RLIMIT_AS, limits)
    back_s = seconds_until_it_records(agent)
    leave_facts("F32-memory", seed=SEED, back_s=back_s)
    assert_nothing_lost(agent, cloud)


def test_a_device_that_may_open_no_file_is_back_when_it_may(agent, cloud):
    agent.start()
    limits = resource.prlimit(agent.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(agent.pid, resource.RLIMIT_NOFILE, (3, limits[1]))
    time.sleep(PRESSURE_S)
    if not agent.has_ended:
        resource.prlimit(agent.pid, resource.RLIMIT_NOFILE, limits)
    back_s = seconds_until_it_records(agent)
    leave_facts("F32-files", seed=SEED, back_s=back_s)
    assert_nothing_lost(agent, cloud)


# The journal's own files and thread


def hurt_files(folder):
    """Every file that this process has open below `folder` fails from now on. The numbers stay taken."""
    dead = os.open("/dev/null", os.O_RDONLY)
    for link in list(Path("/proc/self/fd").iterdir()):
        # The list's own handle is gone by now.
        if link.is_symlink() and str(link.readlink()).startswith(f"{folder}/journal.db"):
            os.dup2(dead, int(link.name))
    os.close(dead)


def seconds_until_taken(journal, limit_s=BACK_MAX_S):
    begun_s, number = time.monotonic(), 1000
    while True:
        try:
            journal.append(result(number))
            return time.monotonic() - begun_s
        except JournalError:
            assert time.monotonic() - begun_s < limit_s, "the journal is wedged"
            number += 1
            time.sleep(0.1)


def test_a_journal_whose_files_died_opens_them_again(tmp_path):
    journal = Journal(tmp_path, SystemClock())
    before = [journal.append(result(number)) for number in range(5)]
    hurt_files(tmp_path)
    back_s = seconds_until_taken(journal)
    leave_facts("F32-dead-files", seed=SEED, back_s=back_s)
    assert journal.append(result(2000)) > before[-1]
    journal.close()


# Parts that die


class Steady:
    name = "steady"

    def run(self, stop):
        stop.wait()


class Dying:
    """Ends its thread in a way that no `except Exception` sees."""

    name = "dying"

    def run(self, stop):
        raise SystemExit


class Short:
    """Not enough memory, for a while."""

    name = "short"

    def __init__(self):
        self.runs = 0
        self.works = threading.Event()

    def run(self, stop):
        self.runs += 1
        if self.runs < 3:
            raise MemoryError
        self.works.set()
        stop.wait()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_dead_thread_ends_the_agent_for_a_new_start():
    stop, answers = threading.Event(), []
    thread = threading.Thread(target=lambda: answers.append(Supervisor([Steady(), Dying()], SystemClock()).run(stop)))
    begun_s = time.monotonic()
    thread.start()
    thread.join(BACK_MAX_S)
    stop.set()
    assert answers == [False], "the thread was dead and the agent went on"
    leave_facts("F32-dead-thread", seed=SEED, ended_after_s=time.monotonic() - begun_s)
    thread.join()


def test_a_part_without_memory_starts_again():
    short, stop = Short(), threading.Event()
    thread = threading.Thread(target=lambda: Supervisor([short], SystemClock()).run(stop))
    thread.start()
    assert short.works.wait(BACK_MAX_S)
    stop.set()
    thread.join()


# Negative controls


def test_a_journal_that_never_reopens_is_caught_as_wedged(tmp_path):
    journal = Journal(tmp_path, SystemClock())
    journal.append(result(1))
    journal._reopen = lambda: None
    hurt_files(tmp_path)
    with pytest.raises(AssertionError, match="wedged"):
        seconds_until_taken(journal, limit_s=4)
    journal.close()


def test_a_device_that_records_nothing_any_more_is_caught(tmp_path, cloud):
    agent = AgentProcess(tmp_path / "device", cloud.url, takt_ms=600_000)
    agent.start()
    try:
        with pytest.raises(AssertionError):
            seconds_until_it_records(agent, limit_s=2)
    finally:
        agent.close()
