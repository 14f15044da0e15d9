"""The inspection loop: for each part capture, judge, journal, tell. It waits for nothing but the part and the disk.

The line is told a verdict once its record is durable, or, when the disk takes too long, at the deadline with
`seq` None: told but not promised. A verdict after the deadline is still given, and marked as late.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from edge_agent.clock import Clock
from edge_agent.journal import Backlog, ImageFile, JournalError, Ticket
from edge_agent.line.camera import BadFrame, CameraFault, Part, PartNames
from edge_agent.line.outputs import Output, Told
from edge_agent.pipeline.judging import JudgingModel, ModelSlots, Shown, Turn, part_of, without_verdict
from edge_agent.pipeline.onlookers import Onlooker, Seen
from edge_agent.pipeline.pace import Pace, TaktPace
from edge_agent.pipeline.results import Collection, ImageChooser, Inspected, KeptImage, LineFacts, result_of
from edge_agent.values import Frame, ItemObservation, Judgement
from edge_agent.windows import WindowSum
from edge_agent.wire.configuration import Configuration
from edge_agent.wire.records import Alarm, Record, Result
from edge_agent.wire.words import CAMERA_FAULTS, AlarmCode, CannotJudge

logger = logging.getLogger(__name__)

RECORD_WAIT_MIN_S = 0.05
"""What the disk gets even when judging has used up the deadline; a group commit takes 4 ms at the median."""


class Recorder(Protocol):
    """The journal as the line sees it."""

    def submit(self, record: Record, *, images: Sequence[ImageFile] = ()) -> Ticket[int]: ...

    def backlog(self) -> Backlog: ...


class ItemSource(Protocol):
    """A camera or a sensor."""

    def capture(self) -> Shown:
        """The part that stands there now, as it is seen. Raises CameraFault."""
        ...


class FrameWatch(Protocol):
    def reason_to_hold(self, frame: Frame) -> CannotJudge | None:
        """Why no model should be asked about this frame; None: it may be. Waits for nothing."""
        ...


@dataclass(frozen=True, slots=True)
class LineParts:
    camera: ItemSource
    slots: ModelSlots
    journal: Recorder
    output: Output
    configuration: Callable[[], Configuration]
    """Asked once per item, so that a pushed setting holds from the next item on."""
    is_time_trusted: Callable[[], bool] = lambda: True
    """False while the wall clock is known to be wrong; the stamps are then marked, and the order stays the numbers'."""
    pace: Pace | None = None
    """None: the configured takt."""
    watch: FrameWatch | None = None
    """None: whatever is a picture at all is judged."""
    turn: Turn = field(default_factory=Turn)
    """Shared by the cameras that share a model."""
    collection: Collection = field(default_factory=Collection)
    onlookers: tuple[Onlooker, ...] = ()


class InspectionLoop:
    """One camera's. Several of them share journal, model and budget, and nothing of a camera."""

    def __init__(self, parts: LineParts, facts: LineFacts, clock: Clock, *, name: str = "inspect") -> None:
        self.name = name
        self._parts = parts
        self._facts = facts
        self._clock = clock
        self._pace = parts.pace or TaktPace(clock, lambda: facts.takt_of(parts.configuration()) / 1000)
        self._images = ImageChooser(facts, parts.collection)
        self._unseen_parts = PartNames("", "")
        self._window: WindowSum | None = None
        self._disk_trouble = ""
        self._camera_trouble = ""

    def run(self, stop: threading.Event) -> None:
        while self._pace.wait(stop):
            self.inspect_next(self._parts.configuration())
        self._close_window()

    def inspect_next(self, settings: Configuration) -> None:
        """Inspect the part that stands there now, if any."""
        start_s = self._clock.monotonic_s()
        try:
            inspected = self._inspected(settings, start_s)
        except CameraFault as exc:
            self._note_camera(str(exc))
            if not self._pace.proves_parts:
                return
            inspected = self._without_picture(self._unseen_parts.next_part(), start_s)
        else:
            self._note_camera("")
        kept = self._images.kept_of(inspected, settings, self._clock.monotonic_s())
        self._finish(inspected, kept, settings, start_s)

    def _finish(self, inspected: Inspected, kept: KeptImage | None, settings: Configuration, start_s: float) -> None:
        deadline_ms = settings.inspection.deadline_ms
        result = result_of(
            inspected,
            kept,
            line=self._facts.line,
            deadline_ms=deadline_ms,
            is_time_trusted=self._parts.is_time_trusted(),
        )
        record_s = self._clock.monotonic_s()
        seq = self._recorded(result, kept, until_s=start_s + deadline_ms / 1000)
        journal_ms = self._since_ms(record_s)
        told = self._tell(inspected, seq, self._since_ms(start_s))
        self._observe(inspected)
        self._sum(result, settings, journal_ms)
        self._show(inspected, told)

    def _inspected(self, settings: Configuration, start_s: float) -> Inspected:
        """Raises CameraFault when no part was seen."""
        model = self._parts.slots.current
        try:
            shown = self._parts.camera.capture()
        except BadFrame as exc:
            logger.warning("bad_frame item=%s reason=%s", exc.part.item, exc)
            return self._without_picture(exc.part, start_s)
        judgement = self._judgement(model, shown, settings, start_s)
        frame = shown if isinstance(shown, Frame) else None
        return Inspected(part_of(shown), frame, shown.captured_ms, model, judgement, self._since_ms(start_s))

    def _judgement(
        self, model: JudgingModel | None, shown: Shown, settings: Configuration, start_s: float
    ) -> Judgement:
        watch = self._parts.watch
        reason = watch.reason_to_hold(shown) if watch and isinstance(shown, Frame) else None
        if reason is not None:
            return without_verdict(reason)
        return self._parts.turn.judged(
            model,
            shown,
            settings.inspection.threshold_ratio,
            wait_s=start_s + settings.inspection.deadline_ms / 1000 - self._clock.monotonic_s(),
        )

    def _without_picture(self, part: Part, start_s: float) -> Inspected:
        judgement = without_verdict(CannotJudge.BAD_FRAME)
        model = self._parts.slots.current
        return Inspected(part, None, self._clock.wall_ms(), model, judgement, self._since_ms(start_s))

    def _since_ms(self, start_s: float) -> float:
        return (self._clock.monotonic_s() - start_s) * 1000

    def _recorded(self, result: Result, kept: KeptImage | None, *, until_s: float) -> int | None:
        """The record's number once durable; None when it was not in time, or was refused."""
        wait_s = max(RECORD_WAIT_MIN_S, until_s - self._clock.monotonic_s())
        images = [kept.file] if kept else []
        try:
            seq = self._parts.journal.submit(result, images=images).wait(wait_s)
        except JournalError as exc:
            self._note_disk(f"{type(exc).__name__}: {exc}")
            return None
        self._note_disk("")
        return seq

    def _tell(self, inspected: Inspected, seq: int | None, told_ms: float) -> Told:
        told = Told(
            item=inspected.part.item,
            verdict=inspected.judgement.verdict,
            label=inspected.judgement.label,
            cannot_judge=inspected.judgement.cannot_judge,
            seq=seq,
            total_ms=inspected.total_ms,
            line=self._facts.line,
            at_ms=inspected.captured_ms,
            score_ratio=inspected.judgement.score_ratio,
            told_ms=told_ms,
        )
        self._parts.output.tell(told)
        return told

    def _show(self, inspected: Inspected, told: Told) -> None:
        for onlooker in self._parts.onlookers:
            seen = Seen(
                line=self._facts.line,
                frame=inspected.frame,
                judgement=inspected.judgement,
                told=told,
                digest=inspected.model.digest if inspected.model else None,
                at_ms=inspected.captured_ms,
            )
            onlooker.saw(seen)

    def _observe(self, inspected: Inspected) -> None:
        # A version on probation must not fail for a camera that somebody knocked.
        if inspected.model is None or inspected.judgement.cannot_judge in CAMERA_FAULTS:
            return
        observation = ItemObservation(
            digest=inspected.model.digest,
            verdict=inspected.judgement.verdict,
            is_error=inspected.judgement.cannot_judge is CannotJudge.ENGINE_ERROR,
            total_ms=inspected.total_ms,
        )
        self._parts.slots.observe(observation)

    def _sum(self, result: Result, settings: Configuration, journal_ms: float) -> None:
        """Add to the open window; one window never mixes two versions."""
        now_s = self._clock.monotonic_s()
        window = self._window
        if window and (window.is_due(now_s, settings.operation.window_s) or window.model_digest != result.model_digest):
            self._close_window()
        if self._window is None:
            self._window = WindowSum(start_ms=result.at_ms, start_s=now_s, model_digest=result.model_digest)
        self._window.add(result, settings.inspection.low_confidence_band_ratio, journal_ms=journal_ms)

    def _close_window(self) -> None:
        window, self._window = self._window, None
        if window is None:
            return
        backlog_count = self._parts.journal.backlog().count
        closed = window.closed(line=self._facts.line, now_s=self._clock.monotonic_s(), backlog_count=backlog_count)
        self._submit(closed)

    def _submit(self, record: Record) -> None:
        """Hand over what nobody waits for."""
        try:
            self._parts.journal.submit(record)
        except JournalError as exc:
            self._note_disk(f"{type(exc).__name__}: {exc}")

    def _note_disk(self, text: str) -> None:
        """Said once per trouble, not once per item."""
        if text and not self._disk_trouble:
            logger.error("records_not_durable error=%s", text)
        if self._disk_trouble and not text:
            logger.info("records_durable_again")
        self._disk_trouble = text

    def _note_camera(self, text: str) -> None:
        if text and not self._camera_trouble:
            logger.error("camera_fault error=%s", text)
            alarm = Alarm(at_ms=self._clock.wall_ms(), code=AlarmCode.CAMERA_FAULT, text=text[:200])
            self._submit(alarm)
        if self._camera_trouble and not text:
            logger.info("camera_back")
        self._camera_trouble = text
