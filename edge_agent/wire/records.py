"""Records: what a device wrote in its journal, each with a number that never repeats in its stream."""

from typing import Annotated

import msgspec

from edge_agent.wire.words import (
    AlarmCode,
    CannotJudge,
    CommandOutcome,
    FlagReason,
    StreamKind,
    UpdateState,
    Verdict,
)

Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
ShortText = Annotated[str, msgspec.Meta(max_length=200)]
LongText = Annotated[str, msgspec.Meta(max_length=20_000)]
Ratio = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
NonNegative = Annotated[int, msgspec.Meta(ge=0)]
Milliseconds = Annotated[float, msgspec.Meta(ge=0.0, le=86_400_000.0)]
WallClockMs = Annotated[int, msgspec.Meta(ge=-(2**62), lt=2**62)]
"""Milliseconds since 1970, UTC, as the device's own clock says, which may be wrong."""


class Timing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where one item's time went, in milliseconds from the trigger."""

    capture_ms: Milliseconds = 0.0
    preprocess_ms: Milliseconds = 0.0
    queue_ms: Milliseconds = 0.0
    infer_ms: Milliseconds = 0.0
    decide_ms: Milliseconds = 0.0
    total_ms: Milliseconds = 0.0
    is_in_time: bool = True


class ImageKept(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An image that the device keeps for upload, named by its content."""

    sha256: Sha256
    size_bytes: NonNegative
    reason: FlagReason
    selection_ratio: Ratio = 1.0
    """The probability with which an item like this one is kept; what makes later estimates unbiased."""


class Result(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="result"):
    """The verdict on one item."""

    at_ms: WallClockMs
    line: ShortText
    item: ShortText
    product: ShortText = ""
    lot: ShortText = ""
    verdict: Verdict
    label: ShortText = ""
    score_ratio: Ratio | None = None
    """The model's probability of a defect; None when it could not judge."""
    threshold_ratio: Ratio | None = None
    model_digest: Sha256 | None = None
    cannot_judge: CannotJudge | None = None
    timing: Timing = Timing()
    image: ImageKept | None = None
    source: ShortText = ""
    """Where a replayed image came from (its content's sha256); empty for a live camera."""
    is_time_trusted: bool = True


class Sketch(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A mergeable quantile sketch: counts by logarithmic bucket (see `edge_agent.contract.sketches`)."""

    relative_error: float = 0.01
    zero_count: NonNegative = 0
    buckets: dict[int, int] = {}


class Window(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="window"):
    """One minute of one line, summed on the device."""

    start_ms: WallClockMs
    duration_s: Annotated[float, msgspec.Meta(gt=0, le=86_400)]
    line: ShortText
    model_digest: Sha256 | None = None
    verdict_counts: dict[Verdict, NonNegative] = {}
    label_counts: dict[ShortText, NonNegative] = {}
    cannot_judge_counts: dict[CannotJudge, NonNegative] = {}
    low_confidence_count: NonNegative = 0
    late_count: NonNegative = 0
    error_count: NonNegative = 0
    infer_ms: Sketch = Sketch()
    total_ms: Sketch = Sketch()
    score_percent: Sketch = Sketch()
    journal_ms: Sketch = Sketch()
    """What the line waited for the disk; not in the results, which are written before it is known."""
    backlog_count: NonNegative = 0


class Health(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="health"):
    """What the device's hardware and the agent say of themselves. None: not measurable here."""

    at_ms: WallClockMs
    uptime_s: Annotated[float, msgspec.Meta(ge=0)]
    cpu_ratio: float | None = None
    memory_ratio: float | None = None
    agent_memory_bytes: NonNegative | None = None
    disk_free_bytes: NonNegative | None = None
    disk_used_ratio: float | None = None
    temperature_c: float | None = None
    is_throttled: bool | None = None
    backlog_count: NonNegative = 0
    backlog_bytes: NonNegative = 0
    images_waiting: NonNegative = 0
    buffer_left_h: float | None = None
    restart_count: NonNegative = 0


class UpdateStep(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="update_step"):
    """One step of a model update, with the digest that runs at that moment."""

    at_ms: WallClockMs
    target_id: NonNegative
    """The cloud's target row that the offer named; 0 when there was none."""
    version_digest: Sha256
    state: UpdateState
    running_digest: Sha256 | None = None
    reason: ShortText = ""
    evidence: dict[str, float] = {}
    """What the trial or the probation measured, e.g. `p95_ms`, `error_count`, `item_count`."""


class CommandAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="command_answer"):
    at_ms: WallClockMs
    command_id: ShortText
    outcome: CommandOutcome
    text: LongText = ""


class ConfigurationReported(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="configuration_reported"
):
    """Which desired configuration the device runs, or why it refused one and kept the last good one."""

    at_ms: WallClockMs
    revision: NonNegative
    is_applied: bool
    reason: ShortText = ""


class Alarm(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="alarm"):
    at_ms: WallClockMs
    code: AlarmCode
    text: ShortText = ""


class Tombstone(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="tombstone"):
    """Stands where evicted or damaged records stood: nothing is dropped silently."""

    at_ms: WallClockMs
    lost_kind: ShortText
    count: NonNegative
    reason: ShortText


class ShadowWindow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="shadow_window"):
    """What a candidate that ran beside the active model said of the same items, summed on the device.

    agreement: items by "active/candidate" verdict, e.g. `ok/defect`. shed: items that the candidate did not see, by
    reason. score_difference_percent: of the absolute difference, 0 to 100.
    """

    at_ms: WallClockMs
    duration_s: Annotated[float, msgspec.Meta(gt=0, le=86_400)]
    line: ShortText
    active_digest: Sha256
    candidate_digest: Sha256
    agreement: dict[ShortText, NonNegative] = {}
    shed: dict[ShortText, NonNegative] = {}
    candidate_higher_count: NonNegative = 0
    score_difference_percent: Sketch = Sketch()
    active_ms: Sketch = Sketch()
    candidate_ms: Sketch = Sketch()


Record = (
    Result | Window | Health | UpdateStep | CommandAnswer | ConfigurationReported | Alarm | Tombstone | ShadowWindow
)

STREAM_OF_RECORD: dict[type, StreamKind] = {
    Result: StreamKind.INSPECTION,
    Window: StreamKind.INSPECTION,
    Tombstone: StreamKind.INSPECTION,
    ShadowWindow: StreamKind.INSPECTION,
    Health: StreamKind.CONTROL,
    UpdateStep: StreamKind.CONTROL,
    CommandAnswer: StreamKind.CONTROL,
    ConfigurationReported: StreamKind.CONTROL,
    Alarm: StreamKind.CONTROL,
}
"""Where a record goes. A tombstone goes to the stream whose record it replaces; this is its usual one."""
