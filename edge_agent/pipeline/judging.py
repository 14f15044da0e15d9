"""From a frame to a judgement, whatever the model does."""

import logging
import threading
from dataclasses import replace
from time import perf_counter
from typing import Protocol

from edge_agent.contract.quality import BadImage, require_judgeable
from edge_agent.contract.signals import Samples
from edge_agent.line.camera import Part
from edge_agent.line.signals import Recording
from edge_agent.values import Digest, Frame, ItemObservation, Judgement, Pixels
from edge_agent.wire.words import CannotJudge, Verdict

logger = logging.getLogger(__name__)


class JudgingModel(Protocol):
    @property
    def digest(self) -> Digest: ...

    def judge(self, pixels: Pixels, threshold_ratio: float | None) -> Judgement: ...

    def judge_signal(self, samples: Samples, threshold_ratio: float | None) -> Judgement: ...


Shown = Frame | Recording
"""One item, as a camera or a sensor saw it."""


class ModelSlots(Protocol):
    """Where versions come in. `current` is read once per frame; a change shows between two frames."""

    @property
    def current(self) -> JudgingModel | None: ...

    def observe(self, observation: ItemObservation) -> None:
        """Hear of one judged item. Never blocks."""
        ...


class Turn:
    """One item at a time in the model, whichever camera or sensor it is from: engines are not made for two."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def judged(
        self, model: JudgingModel | None, shown: Shown, threshold_ratio: float | None, *, wait_s: float
    ) -> Judgement:
        """Never raises: what cannot be judged is a verdict too. wait_s: for other cameras' frames."""
        if not _is_judgeable(shown):
            return without_verdict(CannotJudge.BAD_FRAME)
        if model is None:
            return without_verdict(CannotJudge.NO_MODEL)
        start_s = perf_counter()
        if not self._lock.acquire(timeout=max(0.0, wait_s)):
            return without_verdict(CannotJudge.TOO_LATE)
        try:
            queue_ms = (perf_counter() - start_s) * 1000
            return replace(_judged(model, shown, threshold_ratio), queue_ms=queue_ms)
        finally:
            self._lock.release()


def part_of(shown: Shown) -> Part:
    if isinstance(shown, Recording):
        return shown.part
    return Part(item=shown.item, product=shown.product, lot=shown.lot, source=shown.source)


def without_verdict(reason: CannotJudge) -> Judgement:
    return Judgement(
        verdict=Verdict.CANNOT_JUDGE, label="", score_ratio=None, threshold_ratio=None, cannot_judge=reason
    )


def _is_judgeable(shown: Shown) -> bool:
    if isinstance(shown, Recording):
        # What is a recording at all depends on the model, which says so itself.
        return True
    try:
        require_judgeable(shown.pixels)
    except BadImage as exc:
        logger.warning("frame_refused item=%s reason=%s", shown.item, exc)
        return False
    return True


def _judged(model: JudgingModel, shown: Shown, threshold_ratio: float | None) -> Judgement:
    try:
        if isinstance(shown, Recording):
            return model.judge_signal(shown.samples, threshold_ratio)
        return model.judge(shown.pixels, threshold_ratio)
    except Exception:
        # Whatever a native runtime throws, the part in front of the camera needs an answer now.
        logger.exception("engine_failed digest=%s item=%s", model.digest, part_of(shown).item)
        return without_verdict(CannotJudge.ENGINE_ERROR)
