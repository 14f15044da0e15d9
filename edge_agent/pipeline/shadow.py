"""A candidate beside the active model, on spare time: it looks on, and the line never waits for it."""

import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from edge_agent.clock import Clock
from edge_agent.contract.sketches import QuantileSketch
from edge_agent.journal import JournalError, Ticket
from edge_agent.pipeline.judging import JudgingModel, without_verdict
from edge_agent.pipeline.onlookers import Seen
from edge_agent.values import Judgement
from edge_agent.wire.configuration import Configuration
from edge_agent.wire.records import Record, ShadowWindow
from edge_agent.wire.words import CAMERA_FAULTS, CannotJudge

logger = logging.getLogger(__name__)

LOOK_S = 0.5
_NICENESS = 10
_SAVED_UP_S = 1.0
"""Spare time is not saved for longer: a burst after a quiet hour would be felt."""
_SMOOTHING = 0.2


class Recorder(Protocol):
    def submit(self, record: Record) -> Ticket[int]: ...


@dataclass(frozen=True, slots=True)
class ShadowBudget:
    """cpu_ratio: of one processor. takt_ratio: how much of the takt line and candidate may take together."""

    cpu_ratio: float = 0.25
    takt_ratio: float = 0.8


@dataclass(slots=True)
class _Sum:
    """One window of one pair of versions on one line."""

    start_ms: int
    agreement: Counter[str] = field(default_factory=Counter)
    shed: Counter[str] = field(default_factory=Counter)
    candidate_higher_count: int = 0
    score_difference_percent: QuantileSketch = field(default_factory=QuantileSketch)
    active_ms: QuantileSketch = field(default_factory=QuantileSketch)
    candidate_ms: QuantileSketch = field(default_factory=QuantileSketch)

    def add(self, active: Judgement, candidate: Judgement, candidate_ms: float) -> None:
        self.agreement[f"{active.verdict}/{candidate.verdict}"] += 1
        self.active_ms.add(active.preprocess_ms + active.infer_ms + active.decide_ms)
        self.candidate_ms.add(candidate_ms)
        if active.score_ratio is not None and candidate.score_ratio is not None:
            self.score_difference_percent.add(abs(candidate.score_ratio - active.score_ratio) * 100)
            self.candidate_higher_count += candidate.score_ratio > active.score_ratio


_Pair = tuple[str, str, str]
"""Line, active digest, candidate digest."""


class Shadow:
    """Judges again, with the candidate, what the active model judged; takes one item at a time and sheds the rest.

    An item is shed when the candidate still works on another one (`busy`), has used up its share of the processor
    (`budget`), or when the takt leaves no room for it (`takt`).
    """

    name = "shadow"

    def __init__(
        self,
        journal: Recorder,
        clock: Clock,
        configuration: Callable[[], Configuration],
        *,
        budget: ShadowBudget = ShadowBudget(),
        cpu_s: Callable[[], float] = time.thread_time,
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._configuration = configuration
        self._budget = budget
        self._cpu_s = cpu_s
        self._lock = threading.Lock()
        self._bell = threading.Event()
        self._waiting: Seen | None = None
        self._sums: dict[_Pair, _Sum] = {}
        self._window_start_s = clock.monotonic_s()
        self._spare_s = _SAVED_UP_S
        self._spare_at_s = clock.monotonic_s()
        self._usual_ms = 0.0
        self.candidate: JudgingModel | None = None
        """Set from another thread by one assignment; None: nothing runs beside the active model."""
        self.window_count = 0
        """Closed windows with at least one pair."""

    def saw(self, seen: Seen) -> None:
        candidate = self.candidate
        if candidate is None or seen.frame is None or seen.digest is None or seen.digest == candidate.digest:
            return
        if seen.judgement.cannot_judge in CAMERA_FAULTS:
            # The active model was not asked, so there is nothing to compare with.
            return
        reason = self._shed_reason(seen)
        with self._lock:
            if reason:
                self._sum_of(seen, candidate).shed[reason] += 1
            else:
                self._waiting = seen
        if not reason:
            self._bell.set()

    def run(self, stop: threading.Event) -> None:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
        while not stop.is_set():
            self._clock.wait(self._bell, LOOK_S)
            self._bell.clear()
            self.work()
        self._close()

    def work(self) -> None:
        """Judge what waits, if anything, and close the window when it is due."""
        seen, candidate = self._waiting, self.candidate
        if seen is not None and candidate is not None:
            self._compare(seen, candidate)
        self._waiting = None
        if self._clock.monotonic_s() - self._window_start_s >= self._configuration().operation.window_s:
            self._close()

    def _compare(self, seen: Seen, candidate: JudgingModel) -> None:
        assert seen.frame is not None, "items without a frame are not taken"
        begun_s, begun_cpu_s = self._clock.monotonic_s(), self._cpu_s()
        try:
            judgement = candidate.judge(seen.frame.pixels, None)
        except Exception:
            # Whatever a native runtime throws counts against the candidate, and not against the agent.
            logger.exception("candidate_failed digest=%s", candidate.digest)
            judgement = without_verdict(CannotJudge.ENGINE_ERROR)
        took_ms = (self._clock.monotonic_s() - begun_s) * 1000
        self._spend(self._cpu_s() - begun_cpu_s)
        self._usual_ms += _SMOOTHING * (took_ms - self._usual_ms)
        with self._lock:
            self._sum_of(seen, candidate).add(seen.judgement, judgement, took_ms)

    def _shed_reason(self, seen: Seen) -> str:
        if self._waiting is not None:
            return "busy"
        if self._spare() <= 0:
            return "budget"
        inspection = self._configuration().inspection
        room_ms = self._budget.takt_ratio * inspection.takt_ms
        if seen.told.total_ms > inspection.deadline_ms or seen.told.total_ms + self._usual_ms > room_ms:
            return "takt"
        return ""

    def _spare(self) -> float:
        """Seconds of processor time that may be spent now."""
        now_s = self._clock.monotonic_s()
        with self._lock:
            earned_s = (now_s - self._spare_at_s) * self._budget.cpu_ratio
            self._spare_s, self._spare_at_s = min(_SAVED_UP_S, self._spare_s + earned_s), now_s
            return self._spare_s

    def _spend(self, spent_s: float) -> None:
        with self._lock:
            self._spare_s -= spent_s

    def _sum_of(self, seen: Seen, candidate: JudgingModel) -> _Sum:
        pair = (seen.line, str(seen.digest), str(candidate.digest))
        return self._sums.setdefault(pair, _Sum(start_ms=self._clock.wall_ms()))

    def _close(self) -> None:
        now_s = self._clock.monotonic_s()
        duration_s = max(0.001, now_s - self._window_start_s)
        with self._lock:
            sums, self._sums = self._sums, {}
        self._window_start_s = now_s
        for pair, summed in sums.items():
            self.window_count += bool(summed.agreement)
            try:
                self._journal.submit(_record(pair, summed, duration_s))
            except JournalError as exc:
                logger.warning("shadow_window_lost error=%s", exc)


def _record(pair: _Pair, summed: _Sum, duration_s: float) -> ShadowWindow:
    line, active_digest, candidate_digest = pair
    return ShadowWindow(
        at_ms=summed.start_ms,
        duration_s=duration_s,
        line=line,
        active_digest=active_digest,
        candidate_digest=candidate_digest,
        agreement=dict(summed.agreement),
        shed=dict(summed.shed),
        candidate_higher_count=summed.candidate_higher_count,
        score_difference_percent=summed.score_difference_percent.to_wire(),
        active_ms=summed.active_ms.to_wire(),
        candidate_ms=summed.candidate_ms.to_wire(),
    )
