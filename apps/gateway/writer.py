"""One thread that commits: sync requests wait in a bounded queue and go to the database in groups."""

import logging
import queue
import threading
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field

from django.db import connections
from django.utils import timezone

from apps.core.errors import ProductError, Unavailable
from apps.gateway.database import with_connection
from apps.gateway.errors import Busy
from apps.gateway.ingest import Answer, SyncJob, jobs_store
from apps.telemetry.services import BatchOutcome

logger = logging.getLogger(__name__)

GROUP_MAX = 64
QUEUE_MAX = 512
RETRY_AFTER_S = 2.0


@dataclass(slots=True)
class _Ticket:
    job: SyncJob
    future: Future[list[BatchOutcome]] = field(default_factory=Future)


class Writer:
    """Nothing waits for a group to fill: a group is what came in while the one before was committed."""

    def __init__(self) -> None:
        self._queue: queue.Queue[_Ticket | None] = queue.Queue(QUEUE_MAX)
        self._held: list[_Ticket] = []
        self._thread = threading.Thread(target=self._run, name="gateway-writer", daemon=True)
        self._is_stopping = False

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Write what was taken, then end."""
        self._is_stopping = True
        self._queue.put(None)
        self._thread.join()

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def load_ratio(self) -> float:
        """How full the queue is, 0 to 1."""
        return self._queue.qsize() / QUEUE_MAX

    def submit(self, job: SyncJob) -> Future[list[BatchOutcome]]:
        """Take the job; its future holds the outcomes once they are committed. Raises Busy at once when full."""
        ticket = _Ticket(job)
        if not self._is_taken(ticket):
            raise Busy("More results wait here than can be stored.", retry_after_s=RETRY_AFTER_S)
        return ticket.future

    def _is_taken(self, ticket: _Ticket) -> bool:
        if self._is_stopping:
            return False
        try:
            self._queue.put_nowait(ticket)
        except queue.Full:
            return False
        return True

    def _run(self) -> None:
        is_open = True
        while is_open or self._held:
            is_open = self._collect(is_open) and is_open
            group = self._next_group()
            if group:
                self._write(group)
        connections.close_all()

    def _collect(self, is_open: bool) -> bool:  # noqa: FBT001  private, one caller
        """Move what waits to the held ones; waits for the first when none is held. False when it is time to end."""
        while len(self._held) < 2 * GROUP_MAX:
            try:
                ticket = self._queue.get(block=is_open and not self._held)
            except queue.Empty:
                return True
            if ticket is None:
                return False
            self._held.append(ticket)
        return True

    def _next_group(self) -> list[_Ticket]:
        """Up to GROUP_MAX jobs of distinct devices, first come first; a device's next job waits for the next group."""
        group: dict[str, _Ticket] = {}
        later: list[_Ticket] = []
        for ticket in self._held:
            if ticket.job.device_id in group or len(group) == GROUP_MAX:
                later.append(ticket)
            elif not ticket.future.cancelled():
                group[ticket.job.device_id] = ticket
        self._held = later
        return list(group.values())

    def _write(self, group: list[_Ticket]) -> None:
        answers = _answers([ticket.job for ticket in group])
        for ticket, answer in zip(group, answers, strict=True):
            try:
                if isinstance(answer, ProductError):
                    ticket.future.set_exception(answer)
                else:
                    ticket.future.set_result(answer)
            except InvalidStateError:
                # The client went away meanwhile; its records are stored, and it will learn so when it asks again.
                continue


def _answers(jobs: list[SyncJob]) -> list[Answer]:
    now = timezone.now()
    try:
        return with_connection(lambda: jobs_store(jobs, now=now))
    except ProductError as exc:
        return [exc for _ in jobs]
    except Exception:
        # Ours, not the records': nothing is lost, the devices keep them, and the writer must live.
        logger.exception("group_not_stored jobs=%d", len(jobs))
        refusal = Unavailable("The cloud cannot store results now.", code="cannot_store", retry_after_s=30.0)
        return [refusal for _ in jobs]
