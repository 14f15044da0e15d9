"""Counts records that were not taken until the stream itself says so: nothing is dropped silently."""

import threading
from collections import Counter

BUDGET_SPENT = "disk budget spent"
NOT_WRITTEN = "not written"
"""The disk failed or stood still. At most so many: one whose commit failed may be there after a restart."""
SET_ASIDE = "set aside with a damaged journal"


class UntoldLosses:
    """How many records were lost, by reason. Safe to use from any thread; forgotten when the process ends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def add(self, reason: str, count: int = 1) -> None:
        with self._lock:
            self._counts[reason] += count

    def pending(self) -> dict[str, int]:
        with self._lock:
            return {reason: count for reason, count in self._counts.items() if count}

    def told(self, counts: dict[str, int]) -> None:
        """These are in the stream, durably."""
        with self._lock:
            self._counts.subtract(counts)
