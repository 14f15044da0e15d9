"""Tells the cloud, through the journal, each step of an update."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from edge_agent.clock import Clock
from edge_agent.recording import RecordSink
from edge_agent.update.saved import SavedUpdate
from edge_agent.wire.records import Alarm, UpdateStep
from edge_agent.wire.words import AlarmCode, UpdateState

logger = logging.getLogger(__name__)

_TEXT_CHARS_MAX = 200
_ALARMING = frozenset({UpdateState.FAILED, UpdateState.ROLLED_BACK})


@dataclass(frozen=True, slots=True)
class StepReporter:
    """running: the digest that runs at this moment, of the kind that is updated."""

    journal: RecordSink
    clock: Clock
    running: Callable[[], str | None]

    def tell(self, update: SavedUpdate) -> None:
        """On return the step, and the alarm that may belong to it, are durable. Raises JournalError."""
        logger.info("update_step state=%s digest=%s reason=%s", update.state, update.offer.digest[:12], update.reason)
        self.journal.append(
            UpdateStep(
                at_ms=self.clock.wall_ms(),
                target_id=update.offer.target_id,
                version_digest=update.offer.digest,
                state=update.state,
                running_digest=self.running(),
                reason=update.reason,
                evidence=update.evidence,
            )
        )
        if update.state in _ALARMING:
            text = f"{update.offer.name} {update.offer.version}: {update.reason}"[:_TEXT_CHARS_MAX]
            self.journal.append(Alarm(at_ms=self.clock.wall_ms(), code=AlarmCode.UPDATE_REFUSED, text=text))
