"""The inspection loop: at each beat capture, judge, journal, tell. It waits for nothing but the beat and the disk.

The line is told a verdict once its record is durable, or, when the disk takes too long, at the deadline with
`seq` None: told but not promised. A verdict after the deadline is still given, and marked as late.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from edge_agent.clock import Clock
from edge_agent.contract.sampling import ImageBudget, JudgedItem, SamplingPolicy, select
from edge_agent.journal import Backlog, ImageFile, JournalError, Ticket
from edge_agent.line.camera import BadFrame, Camera, CameraFault, Part
from edge_agent.line.outputs import Output, Told
from edge_agent.pipeline.judging import JudgingModel, ModelSlots, judged, without_verdict
from edge_agent.values import Frame, ItemObservation, Judgement
from edge_agent.windows import WindowSum
from edge_agent.wire.configuration import Configuration
from edge_agent.wire.records import Alarm, ImageKept, Record, Result, Timing
from edge_agent.wire.words import AlarmCode, CannotJudge

logger = logging.getLogger(__name__)

RECORD_WAIT_MIN_S = 0.05
"""What the disk gets even when judging has used up the deadline; a group commit takes 4 ms at the median."""


class Recorder(Protocol):
    """The journal as the line sees it."""

    def submit(self, record: Record, *, images: Sequence[ImageFile] = ()) -> Ticket[int]: ...

    def backlog(self) -> Backlog: ...


@dataclass(frozen=True, slots=True)
class LineFacts:
    """What stays the same while the agent runs."""

    line: str
    sampling_seed: str
    takt_ms: int | None = None
    """Replaces the configured takt."""


@dataclass(frozen=True, slots=True)
class LineParts:
    camera: Camera
    slots: ModelSlots
    journal: Recorder
    output: Output
    configuration: Callable[[], Configuration]
    """Asked once per item, so that a pushed setting holds from the next item on."""


@dataclass(frozen=True, slots=True)
class _Inspected:
    """One part with all that was found out about it. frame: None when its picture was none."""

    part: Part
    frame: Frame | None
    captured_ms: int
    model: JudgingModel | None
    judgement: Judgement
    total_ms: float


class InspectionLoop:
    name = "inspect"

    def __init__(self, parts: LineParts, facts: LineFacts, clock: Clock) -> None:
        self._parts = parts
        self._facts = facts
        self._clock = clock
        self._budget = ImageBudget()
        self._window: WindowSum | None = None
        self._trouble = ""
        self._camera_trouble = ""

    def run(self, stop: threading.Event) -> None:
        next_s = self._clock.monotonic_s()
        while not stop.is_set():
            settings = self._parts.configuration()
            self.inspect_next(settings)
            now_s = self._clock.monotonic_s()
            # Missed beats are missed: the parts have passed, and a burst would only be late again.
            next_s = max(next_s + self._takt_s(settings), now_s)
            self._clock.wait(stop, next_s - now_s)
        self._close_window()

    def _takt_s(self, settings: Configuration) -> float:
        return (self._facts.takt_ms or settings.inspection.takt_ms) / 1000

    def inspect_next(self, settings: Configuration) -> None:
        """Inspect the part that stands there now, if any."""
        start_s = self._clock.monotonic_s()
        try:
            inspected = self._inspected(settings, start_s)
        except CameraFault as exc:
            self._note_camera(str(exc))
            return
        self._note_camera("")
        result, images = self._result(inspected, settings)
        seq = self._recorded(result, images, until_s=start_s + settings.inspection.deadline_ms / 1000)
        self._tell(inspected, seq)
        self._observe(inspected)
        self._sum(result, settings)

    def _inspected(self, settings: Configuration, start_s: float) -> _Inspected:
        """Raises CameraFault when no part was seen."""
        model = self._parts.slots.current
        try:
            frame = self._parts.camera.capture()
        except BadFrame as exc:
            logger.warning("bad_frame item=%s reason=%s", exc.part.item, exc)
            judgement = without_verdict(CannotJudge.BAD_FRAME)
            return _Inspected(exc.part, None, self._clock.wall_ms(), model, judgement, self._since_ms(start_s))
        judgement = judged(model, frame, settings.inspection.threshold_ratio)
        part = Part(item=frame.item, product=frame.product, lot=frame.lot, source=frame.source)
        return _Inspected(part, frame, frame.captured_ms, model, judgement, self._since_ms(start_s))

    def _since_ms(self, start_s: float) -> float:
        return (self._clock.monotonic_s() - start_s) * 1000

    def _result(self, inspected: _Inspected, settings: Configuration) -> tuple[Result, list[ImageFile]]:
        judgement, part = inspected.judgement, inspected.part
        kept, images = self._kept_image(inspected, settings)
        result = Result(
            at_ms=inspected.captured_ms,
            line=self._facts.line,
            item=part.item,
            product=part.product,
            lot=part.lot,
            verdict=judgement.verdict,
            label=judgement.label,
            score_ratio=judgement.score_ratio,
            threshold_ratio=judgement.threshold_ratio,
            model_digest=inspected.model.digest if inspected.model else None,
            cannot_judge=judgement.cannot_judge,
            timing=_timing(inspected, settings.inspection.deadline_ms),
            image=kept,
            source=part.source,
        )
        return result, images

    def _kept_image(self, inspected: _Inspected, settings: Configuration) -> tuple[ImageKept | None, list[ImageFile]]:
        frame, judgement = inspected.frame, inspected.judgement
        if frame is None:
            return None, []
        item = JudgedItem(
            item=frame.item,
            verdict=judgement.verdict,
            score_ratio=judgement.score_ratio,
            threshold_ratio=judgement.threshold_ratio,
            cannot_judge=judgement.cannot_judge,
        )
        selection = select(item, self._policy(settings), self._budget, self._clock.monotonic_s())
        if selection is None:
            return None, []
        image = ImageFile.of(frame.encoded)
        kept = ImageKept(
            sha256=image.sha256,
            size_bytes=len(image.encoded),
            reason=selection.reason,
            selection_ratio=selection.selection_ratio,
        )
        return kept, [image]

    def _policy(self, settings: Configuration) -> SamplingPolicy:
        return SamplingPolicy(
            low_confidence_band_ratio=settings.inspection.low_confidence_band_ratio,
            random_sample_ratio=settings.collection.random_sample_ratio,
            images_per_hour=settings.collection.images_per_hour,
            takt_ms=self._facts.takt_ms or settings.inspection.takt_ms,
            seed=self._facts.sampling_seed,
        )

    def _recorded(self, result: Result, images: list[ImageFile], *, until_s: float) -> int | None:
        """The record's number once durable; None when it was not in time, or was refused."""
        wait_s = max(RECORD_WAIT_MIN_S, until_s - self._clock.monotonic_s())
        try:
            seq = self._parts.journal.submit(result, images=images).wait(wait_s)
        except JournalError as exc:
            self._note_trouble(f"{type(exc).__name__}: {exc}")
            return None
        self._note_trouble("")
        return seq

    def _tell(self, inspected: _Inspected, seq: int | None) -> None:
        told = Told(
            item=inspected.part.item,
            verdict=inspected.judgement.verdict,
            label=inspected.judgement.label,
            cannot_judge=inspected.judgement.cannot_judge,
            seq=seq,
            total_ms=inspected.total_ms,
        )
        self._parts.output.tell(told)

    def _observe(self, inspected: _Inspected) -> None:
        if inspected.model is None:
            return
        observation = ItemObservation(
            digest=inspected.model.digest,
            verdict=inspected.judgement.verdict,
            is_error=inspected.judgement.cannot_judge is CannotJudge.ENGINE_ERROR,
            total_ms=inspected.total_ms,
        )
        self._parts.slots.observe(observation)

    # Windows

    def _sum(self, result: Result, settings: Configuration) -> None:
        now_s = self._clock.monotonic_s()
        window = self._window
        if window is not None and (
            window.is_due(now_s, settings.operation.window_s) or window.model_digest != result.model_digest
        ):
            self._close_window()
        if self._window is None:
            self._window = WindowSum(start_ms=result.at_ms, start_s=now_s, model_digest=result.model_digest)
        self._window.add(result, settings.inspection.low_confidence_band_ratio)

    def _close_window(self) -> None:
        window, self._window = self._window, None
        if window is None or window.item_count == 0:
            return
        backlog_count = self._parts.journal.backlog().count
        closed = window.closed(line=self._facts.line, now_s=self._clock.monotonic_s(), backlog_count=backlog_count)
        self._submit(closed)

    def _submit(self, record: Record) -> None:
        """Hand over what no one waits for."""
        try:
            self._parts.journal.submit(record)
        except JournalError as exc:
            self._note_trouble(f"{type(exc).__name__}: {exc}")

    # Troubles, each said once

    def _note_trouble(self, text: str) -> None:
        if text and not self._trouble:
            logger.error("records_not_durable error=%s", text)
        if self._trouble and not text:
            logger.info("records_durable_again")
        self._trouble = text

    def _note_camera(self, text: str) -> None:
        if text and not self._camera_trouble:
            logger.error("camera_fault error=%s", text)
            alarm = Alarm(at_ms=self._clock.wall_ms(), code=AlarmCode.CAMERA_FAULT, text=text[:200])
            self._submit(alarm)
        if self._camera_trouble and not text:
            logger.info("camera_back")
        self._camera_trouble = text


def _timing(inspected: _Inspected, deadline_ms: int) -> Timing:
    judgement = inspected.judgement
    return Timing(
        capture_ms=inspected.frame.capture_ms if inspected.frame else 0.0,
        preprocess_ms=judgement.preprocess_ms,
        infer_ms=judgement.infer_ms,
        decide_ms=judgement.decide_ms,
        total_ms=inspected.total_ms,
        is_in_time=inspected.total_ms <= deadline_ms,
    )
