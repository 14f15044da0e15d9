"""What a device gets beside its model by the same path: the agent itself, reference data, a shadow candidate.

Offered, downloaded, tried and proven in saved steps like a model (docs/updates.md); what each kind does with its file
is behind `Extra`.
"""

import logging
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import msgspec

from edge_agent.clock import Clock
from edge_agent.contract.engines import EngineError
from edge_agent.journal import JournalError
from edge_agent.orders import Orders
from edge_agent.recording import RecordSink, TroubleLog
from edge_agent.update.fetching import OBTAIN_ERRORS, Fetching, NotObtained, Trouble, not_obtained
from edge_agent.update.reporting import StepReporter
from edge_agent.update.saved import SavedUpdate, UpdateStore
from edge_agent.update.trial import TrialStopped
from edge_agent.wire.messages import ModelOffer
from edge_agent.wire.words import OfferKind, UpdateState

logger = logging.getLogger(__name__)

TRIES_MAX = 3
_LOOK_S = 1.0
_RETRY_S = 10.0
_REASON_CHARS_MAX = 200


class Progress(StrEnum):
    """How an extra does that is in use and not yet proven."""

    WAITING = "waiting"
    WORKING = "working"
    """It worked for a while since this start; its starts are counted from zero again, and it is never done."""
    PROVEN = "proven"
    FAILED = "failed"


class Extra(Protocol):
    """One kind. Every method may raise OSError; what one start did not finish, the next one repeats."""

    kind: OfferKind

    @property
    def active_digest(self) -> str | None: ...

    def install(self, offer: ModelOffer, file: Path) -> None:
        """Check the signed file and unpack it, durably. Raises PackageRefused."""
        ...

    def try_out(self, offer: ModelOffer, stop: threading.Event) -> str:
        """Why it must not be used, its code first; empty when it may. Raises TrialStopped."""
        ...

    def use(self, offer: ModelOffer) -> None:
        """Put it to use; also after each start while it is not proven. Raises EngineError."""
        ...

    def progress(self, offer: ModelOffer) -> Progress: ...

    def drop(self, offer: ModelOffer) -> None:
        """It is no longer wanted, or it failed: use what was there before, if anything."""
        ...


@dataclass(frozen=True, slots=True)
class ExtraParts:
    orders: Orders
    journal: RecordSink
    clock: Clock
    fetching: Fetching


class ExtraFlow:
    """Follows the offer of one kind. One thread."""

    def __init__(self, folder: Path, extra: Extra, parts: ExtraParts) -> None:
        self._extra = extra
        self._parts = parts
        self._store = UpdateStore(folder / f"update-{extra.kind}.json")
        self._reporter = StepReporter(parts.journal, parts.clock, running=lambda: extra.active_digest)
        self._not_before_s = 0.0
        self._used_digest = ""
        """Put to use by this process."""
        self._stop = threading.Event()
        self._acts: dict[UpdateState, Callable[[SavedUpdate], None]] = {
            UpdateState.OFFERED: lambda update: self._move(update, UpdateState.DOWNLOADING),
            UpdateState.DOWNLOADING: self._download,
            UpdateState.STAGED: lambda update: self._move(update, UpdateState.TRIAL, try_count=1),
            UpdateState.TRIAL: self._try_out,
            UpdateState.PROBATION: self._prove,
        }

    def in_use(self) -> list[tuple[str, str]]:
        digest = self._extra.active_digest
        return [(self._extra.kind.value, digest)] if digest else []

    def resume(self, stop: threading.Event) -> None:
        """Pick up what a stop or a crash left. Raises OSError, JournalError."""
        self._stop = stop
        update = self._store.update
        if update is None or update.state not in (UpdateState.TRIAL, UpdateState.PROBATION):
            return
        if update.try_count + 1 > TRIES_MAX:
            self._fail(update, "too_many_starts")
            return
        self._store.save(msgspec.structs.replace(update, try_count=update.try_count + 1))

    def advance(self) -> bool:
        """Do one step. False: nothing to do now. Raises OSError, JournalError: then call it again later."""
        if self._parts.clock.monotonic_s() < self._not_before_s:
            return False
        update = self._told(self._store.update)
        offer = self._offer()
        if update is None or update.is_final:
            return self._take(offer, update)
        if offer is None or offer.digest != update.offer.digest:
            self._drop(update)
            self._move(update, UpdateState.WITHDRAWN)
            return True
        self._acts[update.state](update)
        return self._store.update is not update

    def _take(self, offer: ModelOffer | None, last: SavedUpdate | None) -> bool:
        if offer is None or (last is not None and self._is_settled(offer, last)):
            return False
        update = SavedUpdate(offer=offer, state=UpdateState.OFFERED)
        bad_reason = self._store.bad_reason(offer.digest)
        if bad_reason:
            self._move(update, UpdateState.FAILED, reason=f"known_bad: {bad_reason}")
        elif offer.digest == self._extra.active_digest:
            self._move(update, UpdateState.ALREADY_THERE)
        else:
            self._move(update, UpdateState.OFFERED)
        return True

    def _is_settled(self, offer: ModelOffer, last: SavedUpdate) -> bool:
        is_same = (last.offer.target_id, last.offer.digest) == (offer.target_id, offer.digest)
        return is_same and last.state is not UpdateState.WITHDRAWN

    def _download(self, update: SavedUpdate) -> None:
        def is_over() -> bool:
            offer = self._offer()
            return self._stop.is_set() or offer is None or offer.digest != update.offer.digest

        try:
            file = self._parts.fetching.fetch(update.offer, stop=is_over)
            self._extra.install(update.offer, file)
        except OBTAIN_ERRORS as exc:
            self._not_obtained(update, not_obtained(exc))
        else:
            self._parts.fetching.downloads.discard(update.offer.digest)
            self._move(update, UpdateState.STAGED)

    def _not_obtained(self, update: SavedUpdate, failure: NotObtained) -> None:
        if failure.trouble is Trouble.STOPPED:
            return
        if failure.trouble is Trouble.LATER:
            self._wait(failure.wait_s)
        elif failure.trouble is Trouble.INCOMPATIBLE:
            self._move(update, UpdateState.INCOMPATIBLE, reason=failure.reason)
        elif failure.trouble is Trouble.AGAIN and update.try_count + 1 < TRIES_MAX:
            self._store.save(msgspec.structs.replace(update, try_count=update.try_count + 1))
            self._wait(None)
        else:
            self._parts.fetching.downloads.discard(update.offer.digest)
            self._move(update, UpdateState.FAILED, reason=failure.reason, is_bad=failure.trouble is Trouble.BROKEN)

    def _try_out(self, update: SavedUpdate) -> None:
        try:
            reason = self._extra.try_out(update.offer, self._stop)
        except TrialStopped:
            return
        if reason:
            self._move(update, UpdateState.FAILED, reason=reason, is_bad=True)
            return
        # Saved and told before it is used, because using it may end this process.
        self._move(update, UpdateState.PROBATION, try_count=1)

    def _use(self, update: SavedUpdate) -> None:
        try:
            self._extra.use(update.offer)
        except EngineError as exc:
            self._fail(update, f"load_failed: {exc}")
        else:
            self._used_digest = update.offer.digest

    def _prove(self, update: SavedUpdate) -> None:
        if self._used_digest != update.offer.digest:
            self._use(update)
            return
        progress = self._extra.progress(update.offer)
        if progress is Progress.PROVEN:
            self._move(update, UpdateState.CONFIRMED)
        elif progress is Progress.FAILED:
            self._fail(update, "start_failed")
        elif progress is Progress.WORKING and update.try_count > 0:
            self._store.save(msgspec.structs.replace(update, try_count=0))

    def _fail(self, update: SavedUpdate, reason: str) -> None:
        self._drop(update)
        is_used = update.state is UpdateState.PROBATION
        self._move(update, UpdateState.ROLLED_BACK if is_used else UpdateState.FAILED, reason=reason, is_bad=True)

    def _drop(self, update: SavedUpdate) -> None:
        self._used_digest = ""
        self._extra.drop(update.offer)

    def _move(
        self, update: SavedUpdate, state: UpdateState, *, reason: str = "", try_count: int = 0, is_bad: bool = False
    ) -> None:
        moved = msgspec.structs.replace(
            update, state=state, reason=reason[:_REASON_CHARS_MAX], try_count=try_count, is_reported=False
        )
        self._store.save(moved, is_bad=is_bad)
        self._told(moved)

    def _told(self, update: SavedUpdate | None) -> SavedUpdate | None:
        """At least once: a crash after the journal has it and before this is noted writes it twice."""
        if update is None or update.is_reported:
            return update
        self._reporter.tell(update)
        told = msgspec.structs.replace(update, is_reported=True)
        self._store.save(told)
        return told

    def _offer(self) -> ModelOffer | None:
        state = self._parts.orders.state
        offers = state.extras if state else []
        return next((offer for offer in offers if offer.kind == self._extra.kind), None)

    def _wait(self, wait_s: float | None) -> None:
        spread = 0.5 + random.random()  # noqa: S311  spreads load, guards nothing
        self._not_before_s = self._parts.clock.monotonic_s() + max(wait_s or 0.0, _RETRY_S * spread)


class Extras:
    """The part that runs the flows, one step of each in turn."""

    name = "extras"

    def __init__(self, flows: Sequence[ExtraFlow], clock: Clock) -> None:
        self._flows = flows
        self._clock = clock
        self._trouble = TroubleLog(logger, "extras_not_recorded")

    def in_use(self) -> dict[str, str]:
        """By kind, the digest of what is in use. Any thread may ask."""
        return {kind: digest for flow in self._flows for kind, digest in flow.in_use()}

    def run(self, stop: threading.Event) -> None:
        resumed: set[ExtraFlow] = set()
        while not stop.is_set():
            is_moving = any([self._step(flow, resumed, stop) for flow in self._flows])
            if not is_moving:
                self._clock.wait(stop, _LOOK_S)

    def _step(self, flow: ExtraFlow, resumed: set[ExtraFlow], stop: threading.Event) -> bool:
        try:
            if flow not in resumed:
                flow.resume(stop)
                resumed.add(flow)
            is_moving = flow.advance()
        except (JournalError, OSError) as exc:
            # What was saved holds, and is reported with a later turn.
            self._trouble.note(exc)
            return False
        self._trouble.over()
        return is_moving
