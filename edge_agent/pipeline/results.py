"""From an inspected part to its record, and to the image that is kept of it."""

from dataclasses import dataclass, field

from edge_agent.contract.sampling import ImageBudget, JudgedItem, SamplingPolicy, Selection, select
from edge_agent.journal import ImageFile
from edge_agent.line.camera import Part
from edge_agent.pipeline.judging import JudgingModel
from edge_agent.pipeline.privacy import kept_bytes
from edge_agent.pipeline.requests import RequestBook
from edge_agent.values import Frame, Judgement
from edge_agent.wire.configuration import Configuration, Privacy
from edge_agent.wire.records import ImageKept, Result, Timing
from edge_agent.wire.words import FlagReason

MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class LineFacts:
    """What stays the same while the agent runs. takt_ms: replaces the configured takt."""

    line: str
    sampling_seed: str
    takt_ms: int | None = None
    camera_count: int = 1
    """Of the device: they share what it may keep."""

    def takt_of(self, settings: Configuration) -> int:
        """Milliseconds from one part to the next."""
        return self.takt_ms or settings.inspection.takt_ms


@dataclass(frozen=True, slots=True)
class Inspected:
    """One part with all that was found out about it. frame: None when its picture was none."""

    part: Part
    frame: Frame | None
    captured_ms: int
    model: JudgingModel | None
    judgement: Judgement
    total_ms: float


@dataclass(frozen=True, slots=True)
class KeptImage:
    file: ImageFile
    named: ImageKept
    """As the record names it."""


def result_of(
    inspected: Inspected, kept: KeptImage | None, *, line: str, deadline_ms: int, is_time_trusted: bool
) -> Result:
    judgement, part = inspected.judgement, inspected.part
    return Result(
        at_ms=inspected.captured_ms,
        line=line,
        item=part.item,
        product=part.product,
        lot=part.lot,
        verdict=judgement.verdict,
        label=judgement.label,
        score_ratio=judgement.score_ratio,
        threshold_ratio=judgement.threshold_ratio,
        model_digest=inspected.model.digest if inspected.model else None,
        cannot_judge=judgement.cannot_judge,
        timing=_timing(inspected, deadline_ms),
        image=kept.named if kept else None,
        source=part.source,
        is_time_trusted=is_time_trusted,
    )


def _timing(inspected: Inspected, deadline_ms: int) -> Timing:
    judgement = inspected.judgement
    return Timing(
        capture_ms=inspected.frame.capture_ms if inspected.frame else 0.0,
        preprocess_ms=judgement.preprocess_ms,
        queue_ms=judgement.queue_ms,
        infer_ms=judgement.infer_ms,
        decide_ms=judgement.decide_ms,
        total_ms=inspected.total_ms,
        is_in_time=inspected.total_ms <= deadline_ms,
    )


@dataclass(frozen=True, slots=True)
class Collection:
    """What the cameras of one device share: how much may be kept, and what people asked for."""

    budget: ImageBudget = field(default_factory=ImageBudget)
    requests: RequestBook = field(default_factory=RequestBook)


class ImageChooser:
    """Decides of which items the image is kept (see `contract.sampling`)."""

    def __init__(self, facts: LineFacts, collection: Collection) -> None:
        self._facts = facts
        self._budget = collection.budget
        self._requests = collection.requests

    def kept_of(self, inspected: Inspected, settings: Configuration, now_s: float) -> KeptImage | None:
        """now_s: monotonic. None: no image is kept of this item, or there is none.

        Costs an encoding, some milliseconds per megapixel, for an image that is kept and came as bare pixels.
        """
        privacy = settings.collection.privacy
        if inspected.frame is None or privacy is Privacy.NEVER:
            return None
        policy = self._policy(settings)
        selection = select(
            _judged_item(inspected),
            policy,
            self._budget,
            now_s,
            is_requested=lambda: self._requests.take(settings.collection.requests, self._facts.line),
        )
        if selection is None:
            return None
        encoded = kept_bytes(inspected.frame, privacy)
        is_random = selection.reason is FlagReason.RANDOM_SAMPLE
        if not encoded or not self._budget.are_bytes_taken(len(encoded), policy, is_random=is_random, now_s=now_s):
            return None
        return _kept(encoded, selection)

    def _policy(self, settings: Configuration) -> SamplingPolicy:
        collection = settings.collection
        return SamplingPolicy(
            low_confidence_band_ratio=settings.inspection.low_confidence_band_ratio,
            random_sample_ratio=collection.random_sample_ratio,
            images_per_hour=collection.images_per_hour,
            takt_ms=self._facts.takt_of(settings) / self._facts.camera_count,
            seed=self._facts.sampling_seed,
            class_quota_per_day=collection.class_quota_per_day,
            bytes_per_hour=_bytes(collection.megabytes_per_hour),
            bytes_per_day=_bytes(collection.megabytes_per_day),
        )


def _kept(encoded: bytes, selection: Selection) -> KeptImage:
    file = ImageFile.of(encoded)
    named = ImageKept(
        sha256=file.sha256,
        size_bytes=len(file.encoded),
        reason=selection.reason,
        selection_ratio=selection.selection_ratio,
    )
    return KeptImage(file=file, named=named)


def _bytes(megabytes: int | None) -> int | None:
    return None if megabytes is None else megabytes * MEGABYTE


def _judged_item(inspected: Inspected) -> JudgedItem:
    judgement = inspected.judgement
    return JudgedItem(
        item=inspected.part.item,
        verdict=judgement.verdict,
        score_ratio=judgement.score_ratio,
        threshold_ratio=judgement.threshold_ratio,
        cannot_judge=judgement.cannot_judge,
        label=judgement.label,
    )
