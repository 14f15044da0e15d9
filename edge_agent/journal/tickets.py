"""A promise handed out at once and kept by another thread."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from edge_agent.journal.errors import JournalError, JournalUnavailable

T = TypeVar("T")


class Ticket(Generic[T]):
    """What a job in the journal's queue will come to."""

    def __init__(self) -> None:
        self._settled = threading.Event()
        self._value: T | None = None
        self._error: JournalError | None = None

    @property
    def is_settled(self) -> bool:
        return self._settled.is_set()

    def wait(self, timeout_s: float) -> T:
        """The value, once it is durable. Raises JournalUnavailable when the time passed first, or the job's error."""
        if not self._settled.wait(timeout_s):
            raise JournalUnavailable(f"not durable after {timeout_s:.3f} s")
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]  # settled without error: keep() has set it

    def keep(self, value: T) -> None:
        self._value = value
        self._settled.set()

    def fail(self, error: JournalError) -> None:
        self._error = error
        self._settled.set()


Job = Callable[[], Callable[[], None]]
"""Runs inside the group's transaction; what it returns is run after the commit."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A job in the journal's queue."""

    job: Job
    ticket: Ticket[object]
    is_record: bool = False
