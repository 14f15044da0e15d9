"""Takes the device from one model version to another, one saved step at a time (docs/updates.md)."""

import logging
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edge_agent import __version__
from edge_agent.clock import Clock
from edge_agent.contract.engines import EngineError
from edge_agent.journal import JournalError
from edge_agent.orders import Orders
from edge_agent.recording import RecordSink, TroubleLog
from edge_agent.update.fetching import OBTAIN_ERRORS, Fetching, NotObtained, Trouble, not_obtained
from edge_agent.update.manifest import incompatibility
from edge_agent.update.pacing import RoomProbe, measured_room
from edge_agent.update.probation import Probation, ProbationWatch, judge_probation, shares_of
from edge_agent.update.reporting import StepReporter
from edge_agent.update.saved import SavedUpdate, UpdateStore
from edge_agent.update.slots import Slots
from edge_agent.update.trial import ENGINE_MISSING, TrialReport, TrialStopped
from edge_agent.update.trust import TargetDownload, TrustedRepository
from edge_agent.update.versions import VersionDamaged, Versions
from edge_agent.values import Digest, InstalledVersion
from edge_agent.wire.messages import Hardware, ModelOffer
from edge_agent.wire.words import UpdateState

logger = logging.getLogger(__name__)

TRIES_MAX = 3
_REASON_CHARS_MAX = 200

TrialRunner = Callable[[InstalledVersion, threading.Event], TrialReport]


@dataclass(frozen=True, slots=True)
class UpdateParts:
    """What the updater works with."""

    slots: Slots
    versions: Versions
    repository: TrustedRepository
    downloads: TargetDownload
    hardware: Hardware
    trial: TrialRunner
    room: RoomProbe | None = None
    """None: what the machine says."""


@dataclass(frozen=True, slots=True)
class UpdatePace:
    look_s: float = 0.5
    retry_s: float = 10.0
    """After a failed download or a refusal, times a random factor between a half and one and a half."""


class Updater:
    """Follows the offer in the orders. Saved before each act: a crash anywhere leaves the old or the new version.

    A version that failed is remembered and not tried again. Going back needs no network.
    """

    name = "updater"

    def __init__(
        self,
        folder: Path,
        *,
        orders: Orders,
        journal: RecordSink,
        clock: Clock,
        parts: UpdateParts,
        pace: UpdatePace = UpdatePace(),
    ) -> None:
        self._store = UpdateStore(folder / "update.json")
        self._orders = orders
        self._clock = clock
        self._parts = parts
        self._reporter = StepReporter(journal, clock, running=lambda: parts.slots.active_digest)
        self._fetching = Fetching(
            repository=parts.repository,
            downloads=parts.downloads,
            hardware=parts.hardware,
            room=parts.room or (lambda: measured_room(folder)),
            clock=clock,
        )
        self._pace = pace
        self._bell = orders.bell()
        self._not_before_s = 0.0
        self._watch: ProbationWatch | None = None
        self._trouble = TroubleLog(logger, "update_not_recorded")
        self._stop = threading.Event()
        self._acts: dict[UpdateState, Callable[[SavedUpdate], None]] = {
            UpdateState.OFFERED: self._begin,
            UpdateState.DOWNLOADING: self._download,
            UpdateState.STAGED: self._begin_trial,
            UpdateState.TRIAL: self._try,
            UpdateState.PROBATION: self._prove,
        }

    def run(self, stop: threading.Event) -> None:
        self._stop = stop
        is_resumed = False
        while not stop.is_set():
            try:
                is_resumed = is_resumed or self._resumed()
                is_moving = self.advance()
            except (JournalError, OSError) as exc:
                # What was saved holds, and a step that was not reported is reported with the next turn.
                self._trouble.note(exc)
                self._wait(None)
                is_moving = False
            else:
                self._trouble.over()
            if not is_moving:
                self._clock.wait(self._bell, self._pace.look_s)
                self._bell.clear()

    def _resumed(self) -> bool:
        self.resume()
        return True

    def resume(self) -> None:
        """Pick up what a stop or a crash left. Raises OSError, JournalError."""
        update = self._store.update
        if update is None:
            return
        logger.info("update_resumed state=%s digest=%s", update.state, update.offer.digest[:12])
        if update.is_final:
            self._settle(update)
        elif update.state in (UpdateState.TRIAL, UpdateState.PROBATION):
            self._count_try(update)

    def advance(self) -> bool:
        """Do one step. False: nothing to do now. Raises OSError, JournalError: then call it again later."""
        if self._clock.monotonic_s() < self._not_before_s:
            return False
        update = self._store.update
        if update is not None and update.is_final and not update.is_reported:
            self._settle(update)
            return True
        if update is None or update.is_final:
            return self._take_offer(update)
        if self._is_withdrawn(update.offer):
            self._withdraw(update)
            return True
        update = self._told(self._adopted(update))
        self._acts[update.state](update)
        after = self._store.update
        return after is not update

    def _take_offer(self, last: SavedUpdate | None) -> bool:
        offer = self._offer()
        if offer is None or self._is_settled(offer, last):
            return False
        self._parts.downloads.discard_others(offer.digest)
        update = SavedUpdate(offer=offer, state=UpdateState.OFFERED)
        bad_reason = self._store.bad_reason(offer.digest)
        if offer.digest == self._parts.slots.active_digest:
            self._finish(update, UpdateState.ALREADY_THERE)
        elif bad_reason:
            self._finish(update, UpdateState.FAILED, reason=f"known_bad: {bad_reason}")
        else:
            self._move(update, UpdateState.OFFERED)
        return True

    def _is_settled(self, offer: ModelOffer, last: SavedUpdate | None) -> bool:
        """This very offer was dealt with, and what it led to still holds."""
        if last is None or (last.offer.target_id, last.offer.digest) != (offer.target_id, offer.digest):
            return False
        if last.state in (UpdateState.CONFIRMED, UpdateState.ALREADY_THERE):
            return offer.digest == self._parts.slots.active_digest
        return last.state is not UpdateState.WITHDRAWN

    def _begin(self, update: SavedUpdate) -> None:
        self._move(update, UpdateState.DOWNLOADING)

    def _download(self, update: SavedUpdate) -> None:
        """Ask the repository, fetch the file unless it is here, check and unpack it."""
        try:
            version = self._fetching.obtained(
                update.offer,
                self._parts.versions,
                stop=lambda: self._stop.is_set() or self._is_withdrawn(update.offer),
            )
        except OBTAIN_ERRORS as exc:
            self._not_obtained(update, not_obtained(exc))
        else:
            self._stage(update, version)

    def _not_obtained(self, update: SavedUpdate, failure: NotObtained) -> None:
        if failure.trouble is Trouble.STOPPED:
            return
        logger.info("update_not_obtained digest=%s reason=%s", update.offer.digest[:12], failure.reason)
        if failure.trouble is Trouble.LATER:
            self._wait(failure.wait_s)
        elif failure.trouble is Trouble.INCOMPATIBLE:
            self._finish(update, UpdateState.INCOMPATIBLE, reason=failure.reason)
        elif failure.trouble is Trouble.BROKEN:
            self._parts.downloads.discard(update.offer.digest)
            self._finish(update, UpdateState.FAILED, reason=failure.reason, is_bad=True)
        elif update.try_count + 1 < TRIES_MAX:
            self._store.save(msgspec.structs.replace(update, try_count=update.try_count + 1))
            self._wait(None)
        else:
            self._finish(update, UpdateState.FAILED, reason=failure.reason)

    def _stage(self, update: SavedUpdate, version: InstalledVersion) -> None:
        reason = incompatibility(version.manifest, self._parts.hardware, agent_version=__version__)
        if reason:
            self._finish(update, UpdateState.INCOMPATIBLE, reason=reason)
        else:
            self._move(update, UpdateState.STAGED)

    def _begin_trial(self, update: SavedUpdate) -> None:
        self._move(update, UpdateState.TRIAL)

    def _try(self, update: SavedUpdate) -> None:
        version = self._installed(update)
        if version is None:
            return
        try:
            report = self._parts.trial(version, self._stop)
        except TrialStopped:
            return
        reason = report.reason
        if not reason and report.p95_ms > update.offer.max_p95_ms:
            reason = "trial_slow"
        if reason:
            logger.warning("trial_failed digest=%s reason=%s text=%s", version.digest[:12], reason, report.text)
            # What the device lacks says nothing against the version.
            is_bad = reason != ENGINE_MISSING
            state = UpdateState.FAILED if is_bad else UpdateState.INCOMPATIBLE
            self._finish(update, state, reason=reason, evidence=report.evidence(), is_bad=is_bad)
        else:
            self._switch(update, version, evidence=report.evidence())

    def _switch(self, update: SavedUpdate, version: InstalledVersion, *, evidence: dict[str, float]) -> None:
        running = self._parts.slots.active_digest
        seen = [one.verdict for one in self._parts.slots.take_observations() if one.digest == running]
        update = msgspec.structs.replace(
            update,
            state=UpdateState.PROBATION,
            try_count=1,
            evidence=evidence,
            before=shares_of(seen),
            is_reported=False,
        )
        self._store.save(update)
        self._activate(update, version)

    def _activate(self, update: SavedUpdate, version: InstalledVersion) -> None:
        try:
            self._parts.slots.activate(version)
        except EngineError as exc:
            self._finish(update, UpdateState.FAILED, reason=f"load_failed: {exc}", is_bad=True)
            return
        self._watch = ProbationWatch(begun_s=self._clock.monotonic_s(), before=update.before)
        self._report(update)

    def _prove(self, update: SavedUpdate) -> None:
        slots, digest = self._parts.slots, update.offer.digest
        if slots.active_digest != digest:
            self._resume_switch(update)
            return
        now_s = self._clock.monotonic_s()
        if self._watch is None:
            self._watch = ProbationWatch(begun_s=now_s, before=update.before)
        if not update.is_reported:
            self._report(update)
        for observation in slots.take_observations():
            if observation.digest == digest:
                self._watch.add(observation)
        facts = self._watch.facts(now_s)
        verdict = judge_probation(facts, update.offer)
        if verdict.state is Probation.PASS:
            self._finish(update, UpdateState.CONFIRMED, evidence=facts.evidence())
        elif verdict.state is Probation.FAIL:
            self._finish(update, UpdateState.ROLLED_BACK, reason=verdict.reason, evidence=facts.evidence(), is_bad=True)

    def _resume_switch(self, update: SavedUpdate) -> None:
        """The agent ended around the switch: before it, or the new version did not start again."""
        if self._parts.slots.given_up_digest == update.offer.digest:
            self._finish(update, UpdateState.ROLLED_BACK, reason="start_failed", is_bad=True)
            return
        version = self._installed(update)
        if version is not None:
            self._activate(update, version)

    def _count_try(self, update: SavedUpdate) -> None:
        """A trial or probation that ends the agent each time must end itself."""
        if update.try_count + 1 > TRIES_MAX:
            state = UpdateState.ROLLED_BACK if update.state is UpdateState.PROBATION else UpdateState.FAILED
            self._finish(update, state, reason="too_many_starts", is_bad=True)
        else:
            self._store.save(msgspec.structs.replace(update, try_count=update.try_count + 1))

    def _withdraw(self, update: SavedUpdate) -> None:
        """Safe anywhere: before the switch nothing runs yet, after it the old version comes back."""
        self._finish(update, UpdateState.WITHDRAWN)

    def _is_withdrawn(self, offer: ModelOffer) -> bool:
        """Another version is wanted, or none. A version on probation ends it, unless another one is wanted."""
        wanted = self._offer()
        if wanted is None:
            update = self._store.update
            return update is not None and update.state is not UpdateState.PROBATION
        return wanted.digest != offer.digest

    def _adopted(self, update: SavedUpdate) -> SavedUpdate:
        """The same version under a new rollout: go on, and report to the new one."""
        offer = self._offer()
        if offer is None or offer == update.offer:
            return update
        adopted = msgspec.structs.replace(update, offer=offer, is_reported=False)
        self._store.save(adopted)
        self._report(adopted)
        return self._store.update or adopted

    def _told(self, update: SavedUpdate) -> SavedUpdate:
        """A step that a crash kept from the journal is written now; that of a probation after its switch."""
        if update.is_reported or update.state is UpdateState.PROBATION:
            return update
        self._report(update)
        return self._store.update or update

    def _installed(self, update: SavedUpdate) -> InstalledVersion | None:
        """None when it has to be downloaded again, which is then the next step."""
        try:
            return self._parts.versions.load(Digest(update.offer.digest))
        except VersionDamaged as exc:
            logger.warning("version_damaged error=%s", exc)
            self._move(update, UpdateState.DOWNLOADING)
            return None

    def _move(self, update: SavedUpdate, state: UpdateState) -> None:
        tries = 1 if state is UpdateState.TRIAL else 0
        moved = msgspec.structs.replace(update, state=state, try_count=tries, is_reported=False)
        self._store.save(moved)
        self._report(moved)

    def _finish(
        self,
        update: SavedUpdate,
        state: UpdateState,
        *,
        reason: str = "",
        evidence: dict[str, float] | None = None,
        is_bad: bool = False,
    ) -> None:
        final = msgspec.structs.replace(
            update, state=state, reason=reason[:_REASON_CHARS_MAX], evidence=evidence or {}, is_reported=False
        )
        self._store.save(final, is_bad=is_bad)
        self._settle(final)

    def _settle(self, final: SavedUpdate) -> None:
        """Make what runs agree with how the update ended, then report. Repeating it changes nothing."""
        slots = self._parts.slots
        is_active = slots.active_digest == final.offer.digest
        if final.state is UpdateState.CONFIRMED and is_active:
            slots.confirm()
        elif is_active and final.state is not UpdateState.ALREADY_THERE:
            slots.roll_back()
        self._watch = None
        self._not_before_s = 0.0
        if not final.is_reported:
            self._report(final)
            self._tidy(final)

    def _report(self, update: SavedUpdate) -> None:
        """At least once: a crash after the journal has it and before this is noted writes it twice."""
        self._reporter.tell(update)
        self._store.save(msgspec.structs.replace(update, is_reported=True))

    def _tidy(self, final: SavedUpdate) -> None:
        slots = self._parts.slots
        self._parts.downloads.discard(final.offer.digest)
        self._parts.versions.prune({digest for digest in (slots.active_digest, slots.previous_digest) if digest})

    def _offer(self) -> ModelOffer | None:
        state = self._orders.state
        return state.model if state else None

    def _wait(self, retry_after_s: float | None) -> None:
        spread = 0.5 + random.random()  # noqa: S311  spreads load, guards nothing
        self._not_before_s = self._clock.monotonic_s() + max(retry_after_s or 0.0, self._pace.retry_s * spread)
