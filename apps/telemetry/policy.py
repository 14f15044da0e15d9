"""What a batch is to a stream, and how a device is shown. Pure: facts in, a word with its reason out."""

from dataclasses import dataclass
from datetime import datetime

from apps.devices.states import Admission, Shown
from apps.telemetry.received import Reception
from edge_agent.wire.codec import chain_digest
from edge_agent.wire.messages import Batch
from edge_agent.wire.words import UpdateState

STOPPED_AFTER_S = 60.0
"""A line that shows no item for this long stands still."""
DISK_USED_MAX_RATIO = 0.95
CANNOT_JUDGE_MAX_RATIO = 0.2

_UPDATING = {
    UpdateState.DOWNLOADING: "Downloads a new model version.",
    UpdateState.STAGED: "Has a new model version ready to try.",
    UpdateState.TRIAL: "Tries a new model version beside the line.",
    UpdateState.PROBATION: "Proves a new model version on real items.",
}


@dataclass(frozen=True, slots=True)
class Position:
    """How far a stream is stored: records 1 to `watermark`, and the running digest after the last of them."""

    watermark: int
    digest: str


@dataclass(frozen=True, slots=True)
class Placement:
    """known_count: how many of the batch's first records are stored already."""

    reception: Reception
    known_count: int = 0


def place(position: Position, batch: Batch) -> Placement:
    """Where a batch goes in its stream, however it was cut.

    The stored digest must be met where batch and stored history overlap or join; a batch that ends before the
    watermark can only be checked against itself, and adds nothing.
    """
    known_count = position.watermark + 1 - batch.first_seq
    if known_count < 0:
        return Placement(Reception.GAP)
    known, new = batch.items[:known_count], batch.items[known_count:]
    joint = chain_digest(batch.digest_before, known)
    if known_count <= len(batch.items) and joint != position.digest:
        return Placement(Reception.MISMATCH)
    if chain_digest(joint, new) != batch.digest_after:
        return Placement(Reception.MISMATCH)
    return Placement(Reception.STORED if new else Reception.KNOWN, min(known_count, len(batch.items)))


@dataclass(frozen=True, slots=True)
class ShownFacts:
    """What a device's shown state follows from. Times are the server's."""

    admission: str
    admission_reason: str = ""
    last_seen_at: datetime | None = None
    last_item_at: datetime | None = None
    active_digest: str | None = None
    update_state: str = ""
    configuration_refused: str = ""
    disk_used_ratio: float | None = None
    is_throttled: bool = False
    item_count: int = 0
    cannot_judge_count: int = 0
    """Of the last ten minutes, without the items that came by while no model ran."""


@dataclass(frozen=True, slots=True)
class ShownState:
    """The word, and one sentence for people that says why."""

    state: Shown
    sentence: str


def shown_state(facts: ShownFacts, now: datetime, silent_after_s: float) -> ShownState:
    """The first of these that holds: not known, updating, stopped, degraded, inspecting."""
    unknown = _why_unknown(facts, now, silent_after_s)
    if unknown:
        return ShownState(Shown.UNKNOWN, unknown)
    if facts.update_state in _UPDATING:
        return ShownState(Shown.UPDATING, _UPDATING[UpdateState(facts.update_state)])
    stopped = _why_stopped(facts, now)
    if stopped:
        return ShownState(Shown.STOPPED, stopped)
    degraded = _why_degraded(facts)
    if degraded:
        return ShownState(Shown.DEGRADED, degraded)
    return ShownState(Shown.INSPECTING, "Inspects every item.")


def _why_unknown(facts: ShownFacts, now: datetime, silent_after_s: float) -> str:
    if facts.admission == Admission.EXPECTED:
        return "Not enrolled yet."
    if facts.admission != Admission.ENROLLED:
        reason = f": {facts.admission_reason}" if facts.admission_reason else ""
        return f"{facts.admission.capitalize()}{reason}"
    if facts.last_seen_at is None:
        return "Never heard of."
    silent_s = (now - facts.last_seen_at).total_seconds()
    return f"Silent for {span(silent_s)}." if silent_s > silent_after_s else ""


def _why_stopped(facts: ShownFacts, now: datetime) -> str:
    if facts.last_item_at is None:
        return "Online, but no item was inspected yet."
    still_s = (now - facts.last_item_at).total_seconds()
    return f"No item for {span(still_s)}." if still_s > STOPPED_AFTER_S else ""


def _why_degraded(facts: ShownFacts) -> str:
    if facts.active_digest is None:
        return "Has no model and can judge nothing."
    if facts.cannot_judge_count > CANNOT_JUDGE_MAX_RATIO * max(facts.item_count, 1):
        return f"Could not judge {facts.cannot_judge_count} of the last {facts.item_count} items."
    if facts.configuration_refused:
        return f"Refused its configuration: {facts.configuration_refused}"
    if (facts.disk_used_ratio or 0.0) > DISK_USED_MAX_RATIO:
        return f"Disk is {facts.disk_used_ratio:.0%} full."
    return "Runs slower because it is hot." if facts.is_throttled else ""


def span(duration_s: float) -> str:
    """A duration as people say it: `48 s`, `12 min`, `3 h`, `2 d`."""
    for unit, unit_s, from_s in (("d", 86_400, 172_800), ("h", 3_600, 7_200), ("min", 60, 120)):
        if duration_s >= from_s:
            return f"{int(duration_s // unit_s)} {unit}"
    return f"{max(0, int(duration_s))} s"
