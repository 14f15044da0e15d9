"""The one process that asks every app what is due. With every task and every ring lost, the work still gets done.

Any number may be started: the first one holds an advisory lock, the others wait and take over when its session ends.
"""

import contextlib
import logging
import signal
import threading
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from types import FrameType

import psycopg
import redis
from django.core.cache import cache
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from apps.core.selectors import RECONCILER_SEEN_KEY
from hybridai.wiring import Turn

logger = logging.getLogger(__name__)

RECONCILER_LOCK = 0x5245434F
BACKOFF_MAX_S = 30.0
CANCEL_TIMEOUT_S = 5.0
ALIVE_EVERY = timedelta(minutes=1)

_HELD_SQL = """
SELECT EXISTS (
    SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted
    AND classid = 0 AND objid = %s AND objsubid = 1
)
"""


class TurnTooLong(Exception):
    """An app's turn used up its time; what it had not committed is undone."""


class Reconciler:
    def __init__(self, turns: Sequence[Turn], *, interval_s: float) -> None:
        self._turns = turns
        self._interval_s = interval_s
        self._stop = threading.Event()
        self._is_waiting: bool | None = None
        self._down_count = 0
        self._next_at: dict[str, datetime] = {}
        self._alive_at: datetime | None = None

    def stop(self) -> None:
        self._stop.set()

    def run(self) -> None:
        """Ask round after round until stopped; a database that is away is waited for."""
        while not self._stop.is_set():
            self._stop.wait(self._round_guarded(timezone.now()))

    def _round_guarded(self, now: datetime) -> float:
        """One round; returns how many seconds to wait before the next."""
        try:
            self.round(now)
        except (OperationalError, InterfaceError) as exc:
            return self._back_off(exc)
        if self._down_count:
            logger.info("reconciler_database_back tries=%d", self._down_count)
        self._down_count = 0
        return self._interval_s

    def _back_off(self, exc: Exception) -> float:
        if self._down_count == 0:
            logger.warning("reconciler_database_away error=%s", str(exc).strip())
        self._down_count += 1
        # The session is gone, and the lock with it.
        connection.close()
        return min(BACKOFF_MAX_S, self._interval_s * float(2 ** min(self._down_count - 1, 5)))

    def round(self, now: datetime) -> bool:
        """Ask every turn that is due. False: another reconciler is at work."""
        if not self._hold_lock():
            return False
        for turn in self._turns:
            if now < self._next_at.get(turn.name, now) or self._stop.is_set():
                continue
            self._next_at[turn.name] = now + timedelta(seconds=turn.every_s)
            if not self._ask(turn, now):
                return False
        self._beat(now)
        return True

    def _hold_lock(self) -> bool:
        """Asked each round, because a session that was replaced behind our back has lost the lock."""
        with connection.cursor() as cursor:
            cursor.execute(_HELD_SQL, [RECONCILER_LOCK])
            is_held = bool(cursor.fetchone()[0])
            if not is_held:
                cursor.execute("SELECT pg_try_advisory_lock(%s)", [RECONCILER_LOCK])
                is_held = bool(cursor.fetchone()[0])
        if self._is_waiting is not (not is_held):
            logger.info("reconciler_works" if is_held else "reconciler_waits for=another")
        self._is_waiting = not is_held
        return is_held

    def _ask(self, turn: Turn, now: datetime) -> bool:
        """One app's turn. What it raises ends its turn and no other's. False: the lock went to another meanwhile."""
        try:
            with time_limit(turn.time_limit_s):
                turn.due(now=now)
        except (OperationalError, InterfaceError):
            raise
        except TurnTooLong as exc:
            logger.error("turn_cut_off turn=%s reason=%s", turn.name, exc)  # noqa: TRY400  where it stood says nothing
            # Cut off in the middle, the session may be in any state; a fresh one is not.
            connection.close()
            return self._hold_lock()
        except Exception:
            logger.exception("turn_failed turn=%s", turn.name)
        return True

    def _beat(self, now: datetime) -> None:
        """Say that a round is done: to the settings page through the cache, to people through a line a minute."""
        with contextlib.suppress(redis.RedisError):
            cache.set(RECONCILER_SEEN_KEY, now.timestamp(), timeout=None)
        if self._alive_at is None or now - self._alive_at >= ALIVE_EVERY:
            self._alive_at = now
            logger.info("reconciler_alive turns=%d", len(self._turns))


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TurnTooLong in the block once its time is up. Works in the main thread alone, which signals go to."""

    def expire(_signal: int, _frame: FrameType | None) -> None:
        _cancel_query()
        raise TurnTooLong(f"not done after {seconds:g} s")

    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _cancel_query() -> None:
    """End what the session is doing: the server would go on with it, and keep our lock, after we have gone."""
    session = connection.connection
    if session is not None and not session.closed:
        with contextlib.suppress(psycopg.Error):
            session.cancel_safe(timeout=CANCEL_TIMEOUT_S)
