"""From a frame to a judgement, whatever the model does."""

import logging
from typing import Protocol

from edge_agent.contract.quality import BadImage, require_judgeable
from edge_agent.values import Digest, Frame, ItemObservation, Judgement, Pixels
from edge_agent.wire.words import CannotJudge, Verdict

logger = logging.getLogger(__name__)


class JudgingModel(Protocol):
    @property
    def digest(self) -> Digest: ...

    def judge(self, pixels: Pixels, threshold_ratio: float | None) -> Judgement: ...


class ModelSlots(Protocol):
    """Where versions come in. `current` is read once per frame; a change shows between two frames."""

    @property
    def current(self) -> JudgingModel | None: ...

    def observe(self, observation: ItemObservation) -> None:
        """Hear of one judged item. Never blocks."""
        ...


def judged(model: JudgingModel | None, frame: Frame, threshold_ratio: float | None) -> Judgement:
    """Never raises: what cannot be judged is a verdict too."""
    try:
        require_judgeable(frame.pixels)
    except BadImage as exc:
        logger.warning("frame_refused item=%s reason=%s", frame.item, exc)
        return without_verdict(CannotJudge.BAD_FRAME)
    if model is None:
        return without_verdict(CannotJudge.NO_MODEL)
    try:
        return model.judge(frame.pixels, threshold_ratio)
    except Exception:
        # Whatever a native runtime throws, the part in front of the camera needs an answer now.
        logger.exception("engine_failed digest=%s item=%s", model.digest, frame.item)
        return without_verdict(CannotJudge.ENGINE_ERROR)


def without_verdict(reason: CannotJudge) -> Judgement:
    return Judgement(
        verdict=Verdict.CANNOT_JUDGE, label="", score_ratio=None, threshold_ratio=None, cannot_judge=reason
    )
