"""Parts that fail start again; one that keeps failing ends the agent."""

import socket
import threading

from edge_agent.clock import SystemClock
from edge_agent.supervisor import RESTARTS_MAX, Supervisor
from edge_agent.watchdog import Watchdog
from tests.kit.handclock import HandClock


class Steady:
    name = "steady"

    def __init__(self):
        self.stopped = threading.Event()

    def run(self, stop):
        stop.wait()
        self.stopped.set()


class Failing:
    """Raises so many times, then works, and says so."""

    name = "failing"

    def __init__(self, failure_count):
        self.runs = 0
        self.works = threading.Event()
        self._failure_count = failure_count

    def run(self, stop):
        self.runs += 1
        if self.runs <= self._failure_count:
            raise RuntimeError("planted")
        self.works.set()
        stop.wait()


def test_a_part_that_fails_starts_again_and_the_others_do_not_notice():
    steady, failing, stop = Steady(), Failing(1), threading.Event()
    supervisor = Supervisor([steady, failing], SystemClock())
    thread = threading.Thread(target=lambda: outcome.append(supervisor.run(stop)))
    outcome = []
    thread.start()
    assert failing.works.wait(10)
    assert not steady.stopped.is_set()
    stop.set()
    thread.join(10)
    assert outcome == [True]
    assert supervisor.restart_count == 1
    assert steady.stopped.is_set()


def test_a_part_that_keeps_failing_ends_the_agent_for_a_new_start():
    failing, stop = Failing(10**6), threading.Event()
    assert Supervisor([Steady(), failing], HandClock()).run(stop) is False
    assert failing.runs == RESTARTS_MAX + 1


def test_the_service_manager_hears_ready_alive_and_ending(tmp_path):
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        manager.settimeout(10)
        watchdog = Watchdog({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "20000"})
        stop = threading.Event()
        thread = threading.Thread(target=Supervisor([Steady()], SystemClock(), watchdog=watchdog).run, args=(stop,))
        thread.start()
        assert [manager.recv(100) for _ in range(2)] == [b"READY=1", b"WATCHDOG=1"]
        stop.set()
        while manager.recv(100) != b"STOPPING=1":
            pass
        thread.join(10)


def test_without_a_service_manager_nobody_is_told():
    watchdog = Watchdog({})
    watchdog.ready()
    assert watchdog.beat_s == 10.0


class Returning:
    name = "returning"

    def run(self, stop):
        """Ends without being asked to."""


def test_a_part_that_just_returns_counts_as_failed():
    assert Supervisor([Returning()], HandClock()).run(threading.Event()) is False
