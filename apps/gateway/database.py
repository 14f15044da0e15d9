"""Django's database from an event loop: a few threads, a bounded queue, and one word when it is not there."""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import DataError, InterfaceError, OperationalError, close_old_connections, connections

from apps.core.errors import Unavailable, Wrong
from apps.gateway.errors import Busy

logger = logging.getLogger(__name__)
T = TypeVar("T")

THREADS = 8
WAITING_MAX = 256
CALL_TIMEOUT_S = 10.0
RETRY_AFTER_S = 3.0


class Database:
    """Runs blocking work in threads that keep their connection. Raises Unavailable, never a database's own error."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="gateway-db")
        self._places = threading.BoundedSemaphore(WAITING_MAX)

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` returns. After CALL_TIMEOUT_S the caller is told to come again; the work may still finish."""
        if not self._places.acquire(blocking=False):
            raise Busy("Too many requests wait for the database.", retry_after_s=RETRY_AFTER_S)
        future = self._pool.submit(with_connection, work)
        future.add_done_callback(lambda _: self._places.release())
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), CALL_TIMEOUT_S)
        except TimeoutError as exc:
            raise Unavailable("The database is slow.", code="database_slow", retry_after_s=RETRY_AFTER_S) from exc

    def close(self) -> None:
        """Finish what runs and close every thread's connection."""
        together = threading.Barrier(THREADS)
        for _ in range(THREADS):
            # Each job waits for the others, so that every thread gets one.
            self._pool.submit(_close_together, together)
        self._pool.shutdown(wait=True)


def _close_together(together: threading.Barrier) -> None:
    with contextlib.suppress(threading.BrokenBarrierError):
        together.wait(CALL_TIMEOUT_S)
    connections.close_all()


class Outage:
    """Logs when the database goes and when it is back, not each request between."""

    def __init__(self) -> None:
        self._since_s: float | None = None

    def begins(self, error: Exception) -> None:
        if self._since_s is None:
            self._since_s = time.monotonic()
            logger.warning("database_down error=%s", _line(error))

    def ends(self) -> None:
        since_s, self._since_s = self._since_s, None
        if since_s is not None:
            logger.info("database_back after_s=%.1f", time.monotonic() - since_s)


_outage = Outage()


def with_connection(work: Callable[[], T]) -> T:
    """Run with a connection that is alive.

    Raises Unavailable when there is none or it broke, and Wrong for a value that no column takes. Neither tells a
    stranger what the database said.
    """
    close_old_connections()
    try:
        outcome = work()
    except (OperationalError, InterfaceError) as exc:
        _outage.begins(exc)
        text = "The database is not available."
        raise Unavailable(text, code="database_down", retry_after_s=RETRY_AFTER_S) from exc
    except DataError as exc:
        # A text with a NUL, a number beyond its column: what the client said, not what we did.
        logger.info("value_refused error=%s", _line(exc))
        raise Wrong("The message holds a value that cannot be stored.", code="bad_value") from exc
    finally:
        close_old_connections()
    _outage.ends()
    return outcome


def _line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
