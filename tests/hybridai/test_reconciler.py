"""Real sessions, and a real second process that holds the lock."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time

import psycopg
import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from apps.core.selectors import RECONCILER_SEEN_KEY, reconciler_silence_s
from hybridai.reconciler import RECONCILER_LOCK, Reconciler, TurnTooLong, time_limit
from hybridai.wiring import Turn

pytestmark = pytest.mark.django_db(transaction=True)

HOLDER = """
import sys, psycopg
session = psycopg.connect(sys.argv[1], autocommit=True)
session.execute("SELECT pg_advisory_lock(%s)", [int(sys.argv[2])])
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def fresh_session():
    """The lock belongs to the session: no test begins or ends with one."""
    connection.close()
    yield
    connection.close()


def conninfo() -> str:
    params = connection.get_connection_params()
    names = ("dbname", "user", "password", "host", "port")
    return psycopg.conninfo.make_conninfo(**{name: params[name] for name in names if params.get(name)})


@pytest.fixture
def other_holder():
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, conninfo(), str(RECONCILER_LOCK)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holder.stdout.readline() == "held\n"
    yield holder
    holder.kill()
    holder.communicate()


class Asked:
    """A due service that counts."""

    def __init__(self, act=lambda: None) -> None:
        self.count, self._act = 0, act

    def __call__(self, *, now) -> None:
        self.count += 1
        self._act()


def reconciler(*dues, **turn) -> Reconciler:
    return Reconciler([Turn(f"turn{n}", due, **turn) for n, due in enumerate(dues)], interval_s=0.05)


def fail() -> None:
    raise ValueError("a fault in one app")


def test_a_round_asks_every_app_and_says_that_it_lives():
    cache.delete(RECONCILER_SEEN_KEY)
    one, two = Asked(), Asked()
    assert reconciler(one, two).round(timezone.now())
    assert (one.count, two.count) == (1, 1)
    assert reconciler_silence_s(timezone.now()) < 60


def test_a_second_reconciler_waits_and_takes_over_when_the_first_one_dies(other_holder):
    asked = Asked()
    second = reconciler(asked)
    assert not second.round(timezone.now())
    assert asked.count == 0

    other_holder.send_signal(signal.SIGKILL)
    other_holder.wait()
    deadline = time.monotonic() + 20
    while not second.round(timezone.now()):
        assert time.monotonic() < deadline
        threading.Event().wait(0.05)
    assert asked.count == 1


def test_the_fault_of_one_app_does_not_keep_the_others_from_their_turn(caplog):
    after = Asked()
    with caplog.at_level(logging.ERROR):
        assert reconciler(Asked(fail), after).round(timezone.now())
    assert after.count == 1
    assert "turn_failed turn=turn0" in caplog.text


def test_a_turn_that_hangs_is_cut_off_and_the_lock_stays_ours(caplog):
    after = Asked()
    asked = Reconciler(
        [Turn("hangs", lambda now: threading.Event().wait(30), time_limit_s=0.2), Turn("next", after)], interval_s=1
    )
    with caplog.at_level(logging.ERROR):
        assert asked.round(timezone.now())
    assert "turn_cut_off turn=hangs" in caplog.text
    assert after.count == 1


def test_a_turn_that_hangs_in_the_database_is_cut_off_too():
    def sleep() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(30)")

    after = Asked()
    began = time.monotonic()
    assert Reconciler([Turn("sleeps", Asked(sleep), time_limit_s=0.3), Turn("next", after)], interval_s=1).round(
        timezone.now()
    )
    assert time.monotonic() - began < 20
    assert after.count == 1


def test_a_time_limit_that_is_kept_leaves_no_alarm_behind():
    with time_limit(0.05):
        pass
    threading.Event().wait(0.1)
    with pytest.raises(TurnTooLong), time_limit(0.05):
        threading.Event().wait(5)


def test_a_rare_turn_is_not_asked_each_round():
    rare = Asked()
    asked = reconciler(rare, every_s=600)
    now = timezone.now()
    asked.round(now)
    asked.round(now)
    assert rare.count == 1
    asked.round(now + timezone.timedelta(seconds=601))
    assert rare.count == 2


def test_a_session_that_the_server_ends_is_replaced_and_the_work_goes_on(caplog):
    asked_again = threading.Event()

    def end_own_session_once() -> None:
        if due.count > 1:
            asked_again.set()
            worker.stop()
            return
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    due = Asked(end_own_session_once)
    worker = reconciler(due)
    with caplog.at_level(logging.INFO):
        worker.run()
    assert asked_again.is_set()
    assert "reconciler_database_away" in caplog.text
    assert "reconciler_database_back" in caplog.text


def test_a_database_that_stays_away_is_asked_less_and_less_often():
    def away() -> None:
        raise OperationalError("the server is starting up")

    worker = reconciler(Asked(away))
    waits = [worker._round_guarded(timezone.now()) for _ in range(9)]
    assert waits == sorted(waits)
    assert waits[0] == 0.05
    assert waits[-1] <= 30


def test_the_command_works_and_stops_in_order(tmp_path):
    environment = {**os.environ, "DATABASE_URL": _test_database_url(), "HYBRIDAI_RECONCILE_INTERVAL_S": "1"}
    log = tmp_path / "log"
    with log.open("w") as stream:
        running = subprocess.Popen(
            [sys.executable, "manage.py", "reconcile"], cwd=settings.BASE_DIR, env=environment, stderr=stream
        )
    try:
        deadline = time.monotonic() + 60
        while "reconciler_alive" not in log.read_text():
            assert time.monotonic() < deadline, log.read_text()
            threading.Event().wait(0.1)
        running.send_signal(signal.SIGTERM)
        assert running.wait(timeout=30) == 0
    finally:
        running.kill()
        running.wait()


def _test_database_url() -> str:
    """The tests' own database, which is not the one that the settings name."""
    name = connection.settings_dict["NAME"]
    url = settings.DATABASE_URL
    head, _, query = url.partition("?")
    return f"{head.rsplit('/', 1)[0]}/{name}" + (f"?{query}" if query else "")
