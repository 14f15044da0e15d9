"""The only poll: says what this device runs, and hears what the cloud wants of it."""

import logging
import math
import random
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from edge_agent import __version__
from edge_agent.clock import Clock
from edge_agent.cloud import CloudClient, CloudError, CloudUnreachable
from edge_agent.journal import JournalError
from edge_agent.orders import Orders
from edge_agent.recording import StreamLedger
from edge_agent.wire.messages import CheckinRequest, DesiredState, Hardware

logger = logging.getLogger(__name__)

INTERVAL_MIN_S = 1.0
INTERVAL_MAX_S = 3600.0
INTERVAL_FIRST_S = 5.0
"""Until the cloud named an interval."""


class RunningVersions(Protocol):
    @property
    def active_digest(self) -> str | None: ...

    @property
    def previous_digest(self) -> str | None: ...


def delay_after_success_s(interval_s: float, random_ratio: float) -> float:
    """Between half and one and a half intervals: devices that started together drift apart."""
    return max(INTERVAL_MIN_S, bounded_interval_s(interval_s) * (0.5 + random_ratio))


def delay_after_failure_s(interval_s: float, retry_after_s: float | None, random_ratio: float) -> float:
    """Anywhere within one interval, after the pause that the cloud asked for.

    Thus a device is back at most one interval after its link, and a fleet's return is spread over the interval.
    """
    spread_s = max(INTERVAL_MIN_S, bounded_interval_s(interval_s) * random_ratio)
    return min(INTERVAL_MAX_S, (retry_after_s or 0.0) + spread_s)


def bounded_interval_s(interval_s: float) -> float:
    if not math.isfinite(interval_s):
        return INTERVAL_FIRST_S
    return min(INTERVAL_MAX_S, max(INTERVAL_MIN_S, interval_s))


@dataclass(frozen=True, slots=True)
class CheckinFacts:
    """What a check-in tells beside versions and streams."""

    hardware: Hardware
    boot_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    extras: Callable[[], dict[str, str]] = dict
    """Asked each time: what is in use beside the model, by kind."""


class Checkin:
    """Checks in at the interval that the server dictates. A refusal is logged once and stops nothing."""

    name = "checkin"

    def __init__(
        self,
        cloud: CloudClient,
        *,
        orders: Orders,
        versions: RunningVersions,
        journal: StreamLedger,
        clock: Clock,
        facts: CheckinFacts,
    ) -> None:
        self._cloud = cloud
        self._orders = orders
        self._versions = versions
        self._journal = journal
        self._clock = clock
        self._facts = facts
        self._trouble = ""

    def run(self, stop: threading.Event) -> None:
        delay_s = self._interval_s() * _random_ratio()
        while not self._clock.wait(stop, delay_s):
            delay_s = self.check_in()

    def check_in(self) -> float:
        """Check in once. Returns the seconds until the next time."""
        try:
            state = self._cloud.checkin(self._request())
        except CloudError as exc:
            self._note_trouble(exc)
            retry_after_s = exc.retry_after_s if isinstance(exc, CloudUnreachable) else None
            return delay_after_failure_s(self._interval_s(), retry_after_s, _random_ratio())
        self._note_back()
        self._accept(state)
        return delay_after_success_s(state.checkin_interval_s, _random_ratio())

    def _accept(self, state: DesiredState) -> None:
        try:
            self._orders.accept(state)
            self._report()
        except (OSError, JournalError) as exc:
            # What was not saved, or not reported, is so again at the next check-in.
            logger.warning("orders_not_saved error=%s", exc)
        for ack in state.streams:
            self._journal.acked(ack)

    def _report(self) -> None:
        report = self._orders.report_due()
        if report is not None:
            self._journal.append(report)
            self._orders.reported(report.revision)

    def _request(self) -> CheckinRequest:
        state = self._orders.state
        return CheckinRequest(
            at_ms=self._clock.wall_ms(),
            agent_version=__version__,
            boot_id=self._facts.boot_id,
            active_digest=self._versions.active_digest,
            previous_digest=self._versions.previous_digest,
            configuration_revision=self._orders.configuration_revision,
            orders_revision=state.revision if state else "",
            streams=self._journal.streams(),
            hardware=self._facts.hardware,
            extras=self._facts.extras(),
        )

    def _interval_s(self) -> float:
        state = self._orders.state
        return bounded_interval_s(state.checkin_interval_s) if state else INTERVAL_FIRST_S

    def _note_trouble(self, error: CloudError) -> None:
        kind = type(error).__name__
        if self._trouble != kind:
            logger.warning("checkin_failed kind=%s error=%s", kind, error)
        self._trouble = kind

    def _note_back(self) -> None:
        if self._trouble:
            logger.info("checkin_back after=%s", self._trouble)
        self._trouble = ""


def _random_ratio() -> float:
    return random.random()  # noqa: S311  spreads load, guards nothing
