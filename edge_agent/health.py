"""What the hardware and the agent say of themselves. What cannot be measured is None, never a guess."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psutil

from edge_agent.clock import Clock
from edge_agent.journal import Backlog, JournalError, Ticket
from edge_agent.wire.configuration import OperationSettings
from edge_agent.wire.records import Health, Record

logger = logging.getLogger(__name__)

LOOK_S = 1.0
RATE_MEASURED_S = 60.0
"""A growth seen for less than this says nothing about hours."""
_PI_THROTTLED = Path("/sys/devices/platform/soc/soc:firmware/get_throttled")
_PI_THROTTLED_NOW = 0xF


class JournalFacts(Protocol):
    def backlog(self) -> Backlog: ...

    @property
    def used_bytes(self) -> int: ...

    def submit(self, record: Record) -> Ticket[int]: ...


@dataclass(frozen=True, slots=True)
class _Use:
    at_s: float
    used_bytes: int


class HealthMeter:
    """Measures now. Costs about a millisecond."""

    def __init__(
        self,
        folder: Path,
        *,
        journal: JournalFacts,
        settings: Callable[[], OperationSettings],
        restart_count: Callable[[], int],
        clock: Clock,
    ) -> None:
        self._folder = folder
        self._journal = journal
        self._settings = settings
        self._restart_count = restart_count
        self._clock = clock
        self._start_s = clock.monotonic_s()
        self._agent = psutil.Process()
        self._first_use = _Use(self._start_s, journal.used_bytes)
        # The first answer covers no time and is meaningless; the next one covers the time since.
        psutil.cpu_percent()

    def facts(self) -> Health:
        backlog, disk = self._journal.backlog(), psutil.disk_usage(str(self._folder))
        uptime_s = self._clock.monotonic_s() - self._start_s
        return Health(
            at_ms=self._clock.wall_ms(),
            uptime_s=uptime_s,
            cpu_ratio=psutil.cpu_percent() / 100 if uptime_s >= 1 else None,
            memory_ratio=psutil.virtual_memory().percent / 100,
            agent_memory_bytes=self._agent.memory_info().rss,
            disk_free_bytes=disk.free,
            disk_used_ratio=disk.percent / 100,
            temperature_c=_temperature_c(),
            is_throttled=_is_throttled(),
            backlog_count=backlog.count,
            backlog_bytes=backlog.bytes,
            images_waiting=backlog.images_waiting,
            buffer_left_h=self._buffer_left_h(),
            restart_count=self._restart_count(),
        )

    def _buffer_left_h(self) -> float | None:
        """How long the disk budget lasts at the growth seen since the start; None while it does not grow."""
        now = _Use(self._clock.monotonic_s(), self._journal.used_bytes)
        passed_s = now.at_s - self._first_use.at_s
        grown_bytes = now.used_bytes - self._first_use.used_bytes
        if passed_s < RATE_MEASURED_S or grown_bytes <= 0:
            return None
        left_bytes = self._settings().disk_budget_mb * 1024 * 1024 - now.used_bytes
        return max(0.0, left_bytes / (grown_bytes / passed_s) / 3600)


class HealthReporter:
    """Journals the facts at the configured interval."""

    name = "health"

    def __init__(
        self, meter: HealthMeter, *, journal: JournalFacts, settings: Callable[[], OperationSettings], clock: Clock
    ) -> None:
        self._meter = meter
        self._journal = journal
        self._settings = settings
        self._clock = clock

    def run(self, stop: threading.Event) -> None:
        due_s = self._clock.monotonic_s()
        # Short waits, so that a pushed interval holds at once and not after the old one.
        while not self._clock.wait(stop, LOOK_S):
            now_s = self._clock.monotonic_s()
            due_s = min(due_s, now_s + self._settings().health_interval_s)
            if now_s >= due_s:
                due_s = now_s + self._settings().health_interval_s
                self.report()

    def report(self) -> None:
        try:
            self._journal.submit(self._meter.facts())
        except JournalError as exc:
            # The line says it too, and louder; the next facts come anyway.
            logger.debug("health_not_journalled error=%s", exc)


def _temperature_c() -> float | None:
    """The hottest sensor; None where the system shows none."""
    read = getattr(psutil, "sensors_temperatures", None)
    sensors = read() if read else {}
    values = [entry.current for entries in sensors.values() for entry in entries if entry.current]
    return max(values, default=None)


def _is_throttled() -> bool | None:
    """Only a Raspberry Pi's firmware tells; elsewhere None."""
    try:
        return bool(int(_PI_THROTTLED.read_text(), 16) & _PI_THROTTLED_NOW)
    except (OSError, ValueError):
        return None
