"""Which items keep their image for people: all uncertain ones while there is room, and a known share of the rest.

An item in the low-confidence band is kept with probability 1, any other with the recorded `selection_ratio`.
Weighting each kept item with 1 / selection_ratio therefore gives unbiased totals (Horvitz and Thompson, 1952).
"""

import hashlib
from dataclasses import dataclass

from edge_agent.contract.decision import is_low_confidence
from edge_agent.wire.words import CannotJudge, FlagReason, Verdict

RANDOM_SHARE_OF_BUDGET = 0.25
"""What the random slice may take of the hourly budget; the rest is for the uncertain."""
HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class SamplingPolicy:
    """What a person set, and the pace of the line that it is applied to."""

    low_confidence_band_ratio: float
    random_sample_ratio: float
    images_per_hour: int
    takt_ms: int
    seed: str
    """Makes the random slice of this device its own; the device's id is a good one."""


@dataclass(frozen=True, slots=True)
class JudgedItem:
    item: str
    verdict: Verdict
    score_ratio: float | None
    threshold_ratio: float | None
    cannot_judge: CannotJudge | None


@dataclass(frozen=True, slots=True)
class Selection:
    reason: FlagReason
    selection_ratio: float


class ImageBudget:
    """How many images one hour may still keep, by monotonic seconds; forgotten at a restart.

    Two purses, so that neither a doubtful hour ends the random slice nor the random slice crowds out doubt.
    """

    def __init__(self) -> None:
        self._hour_start_s = 0.0
        self._spent = {True: 0, False: 0}

    def is_taken(self, *, is_random: bool, images_per_hour: int, now_s: float) -> bool:
        """Take one image from the purse. False: it is empty until the hour is over."""
        if now_s - self._hour_start_s >= HOUR_S:
            self._hour_start_s = now_s
            self._spent = {True: 0, False: 0}
        random_room = round(images_per_hour * RANDOM_SHARE_OF_BUDGET)
        room = random_room if is_random else images_per_hour - random_room
        if self._spent[is_random] >= room:
            return False
        self._spent[is_random] += 1
        return True


def select(judged: JudgedItem, policy: SamplingPolicy, budget: ImageBudget, now_s: float) -> Selection | None:
    """Whether this item's image is kept, and why. Deterministic given item, seed and what the budget has left.

    An uncertain item that finds its purse empty is kept only as the random slice would keep it.
    """
    reason = _doubt(judged, policy.low_confidence_band_ratio)
    room = policy.images_per_hour
    if reason is not None and budget.is_taken(is_random=False, images_per_hour=room, now_s=now_s):
        return Selection(reason=reason, selection_ratio=1.0)
    ratio = random_ratio(policy)
    if draw(policy.seed, judged.item) >= ratio:
        return None
    if not budget.is_taken(is_random=True, images_per_hour=room, now_s=now_s):
        return None
    return Selection(reason=FlagReason.RANDOM_SAMPLE, selection_ratio=ratio)


def random_ratio(policy: SamplingPolicy) -> float:
    """The share of items that the random slice keeps, lowered beforehand to what the budget can hold at this takt.

    Set from the pace alone, never from what was seen, so that the recorded probability stays the true one.
    """
    items_per_hour = HOUR_S * 1000 / policy.takt_ms
    affordable_ratio = policy.images_per_hour * RANDOM_SHARE_OF_BUDGET / items_per_hour
    return min(policy.random_sample_ratio, affordable_ratio)


def draw(seed: str, item: str) -> float:
    """A number in [0, 1) that is the item's own: the same on every machine and in every run."""
    digest = hashlib.sha256(f"{seed}\x00{item}".encode()).digest()
    return (int.from_bytes(digest[:8]) >> 11) / (1 << 53)


def _doubt(judged: JudgedItem, band_ratio: float) -> FlagReason | None:
    if judged.verdict is Verdict.CANNOT_JUDGE:
        # Without a model nothing was doubted: those images would crowd out the ones that teach something.
        return None if judged.cannot_judge is CannotJudge.NO_MODEL else FlagReason.CANNOT_JUDGE
    if judged.score_ratio is None or judged.threshold_ratio is None:
        return None
    if is_low_confidence(judged.score_ratio, judged.threshold_ratio, band_ratio):
        return FlagReason.LOW_CONFIDENCE
    return None
