"""Which items keep their image for people: all uncertain ones while there is room, and a known share of the rest.

An item that is uncertain, asked for or within its class's quota is kept with probability 1, any other with the recorded
`selection_ratio`. Which of the two holds depends on the item itself and on those before it, never on the draw.
Weighting each kept item with 1 / selection_ratio therefore gives unbiased totals (Horvitz and Thompson, 1952).
"""

import hashlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from edge_agent.contract.decision import is_low_confidence
from edge_agent.wire.words import CAMERA_FAULTS, CannotJudge, FlagReason, Verdict

RANDOM_SHARE_OF_BUDGET = 0.25
"""What the random slice may take of the hourly budget; the rest is for the uncertain."""
CAMERA_SHARE_OF_BUDGET = 0.05
"""What images of a camera's own fault may take of it: after the first few they all show the same dirt."""
HOUR_S = 3600.0
DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class SamplingPolicy:
    """What a person set, and the pace of the line that it is applied to."""

    low_confidence_band_ratio: float
    random_sample_ratio: float
    images_per_hour: int
    takt_ms: float
    seed: str
    """Makes the random slice of this device its own; the device's id is a good one."""
    class_quota_per_day: Mapping[str, int] = field(default_factory=dict)
    bytes_per_hour: int | None = None
    bytes_per_day: int | None = None


@dataclass(frozen=True, slots=True)
class JudgedItem:
    item: str
    verdict: Verdict
    score_ratio: float | None
    threshold_ratio: float | None
    cannot_judge: CannotJudge | None
    label: str = ""


@dataclass(frozen=True, slots=True)
class Selection:
    reason: FlagReason
    selection_ratio: float


class Purse:
    """So much in so long, by monotonic seconds."""

    def __init__(self, period_s: float) -> None:
        self._period_s = period_s
        self._start_s = 0.0
        self._spent: dict[object, int] = {}

    def has(self, key: object, amount: int, *, limit: int, now_s: float) -> bool:
        if now_s - self._start_s >= self._period_s:
            self._start_s = now_s
            self._spent = {}
        return self._spent.get(key, 0) + amount <= limit

    def spend(self, key: object, amount: int) -> None:
        self._spent[key] = self._spent.get(key, 0) + amount


class ImageBudget:
    """What one device may still keep; forgotten at a restart. Safe to share between the cameras of a device.

    Two purses, so that neither a doubtful hour ends the random slice nor the random slice crowds out doubt. When
    the random slice's purse is empty, what is kept stands for the time before that, and not for the rest of its period.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._images_in_hour = Purse(HOUR_S)
        self._camera_faults_in_hour = Purse(HOUR_S)
        self._bytes_in_hour = Purse(HOUR_S)
        self._bytes_in_day = Purse(DAY_S)
        self._labels_in_day = Purse(DAY_S)

    def is_taken(self, *, is_random: bool, images_per_hour: int, now_s: float) -> bool:
        """Take one image from the purse. False: it is empty until the hour is over."""
        limit = _share(images_per_hour, is_random=is_random)
        with self._lock:
            return _take(self._images_in_hour, is_random, 1, limit=limit, now_s=now_s)

    def is_camera_fault_taken(self, *, images_per_hour: int, now_s: float) -> bool:
        """Take one of the hour's images of faulty cameras, at least one. False: there were enough."""
        limit = max(1, round(images_per_hour * CAMERA_SHARE_OF_BUDGET))
        with self._lock:
            return _take(self._camera_faults_in_hour, "", 1, limit=limit, now_s=now_s)

    def is_label_taken(self, label: str, *, quota: int, now_s: float) -> bool:
        """Take one of the day's images of this class. False: its quota is used up."""
        with self._lock:
            return _take(self._labels_in_day, label, 1, limit=quota, now_s=now_s)

    def are_bytes_taken(self, size_bytes: int, policy: SamplingPolicy, *, is_random: bool, now_s: float) -> bool:
        """Take an image's bytes from the hour and from the day, or from neither. False: one of them lacks them."""
        wanted = [(self._bytes_in_hour, policy.bytes_per_hour), (self._bytes_in_day, policy.bytes_per_day)]
        bounded = [(purse, _share(limit, is_random=is_random)) for purse, limit in wanted if limit is not None]
        with self._lock:
            if not all(purse.has(is_random, size_bytes, limit=limit, now_s=now_s) for purse, limit in bounded):
                return False
            for purse, _ in bounded:
                purse.spend(is_random, size_bytes)
            return True


def _take(purse: Purse, key: object, amount: int, *, limit: int, now_s: float) -> bool:
    if not purse.has(key, amount, limit=limit, now_s=now_s):
        return False
    purse.spend(key, amount)
    return True


def _share(limit: int, *, is_random: bool) -> int:
    random_share = round(limit * RANDOM_SHARE_OF_BUDGET)
    return random_share if is_random else limit - random_share


def select(
    judged: JudgedItem,
    policy: SamplingPolicy,
    budget: ImageBudget,
    now_s: float,
    *,
    is_requested: Callable[[], bool] = lambda: False,
) -> Selection | None:
    """Whether this item's image is kept, and why. Deterministic given item, seed and what the budget has left.

    is_requested: asked only where nothing else keeps the item; True counts as one image given to whoever asked.
    An item that finds its purse empty is kept only as the random slice would keep it.
    """
    reason = _certain_reason(judged, policy, budget, now_s)
    if reason is None and is_requested():
        reason = FlagReason.REQUESTED
    if reason is not None:
        return Selection(reason=reason, selection_ratio=1.0)
    ratio = random_ratio(policy)
    if draw(policy.seed, judged.item) >= ratio:
        return None
    if not budget.is_taken(is_random=True, images_per_hour=policy.images_per_hour, now_s=now_s):
        return None
    return Selection(reason=FlagReason.RANDOM_SAMPLE, selection_ratio=ratio)


def _certain_reason(judged: JudgedItem, policy: SamplingPolicy, budget: ImageBudget, now_s: float) -> FlagReason | None:
    doubt = _doubt(judged, policy.low_confidence_band_ratio)
    if judged.cannot_judge in CAMERA_FAULTS and not budget.is_camera_fault_taken(
        images_per_hour=policy.images_per_hour, now_s=now_s
    ):
        return None
    if doubt and budget.is_taken(is_random=False, images_per_hour=policy.images_per_hour, now_s=now_s):
        return doubt
    quota = policy.class_quota_per_day.get(judged.label, 0) if judged.label else 0
    if quota and budget.is_label_taken(judged.label, quota=quota, now_s=now_s):
        return FlagReason.CLASS_QUOTA
    return None


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
