"""How a rollout spreads: shares become stages, and devices are dealt to stages so that early ones see many lines."""

import math
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any


class OnFailure(StrEnum):
    """What a failed gate does by itself."""

    PAUSE = "pause"
    RETURN = "return"


@dataclass(frozen=True, slots=True)
class Plan:
    """How fast, and under which limits. Shares are cumulative; ratios are of 1."""

    shares: tuple[float, ...] = (0.05, 0.25, 1.0)
    soak_s: float = 600.0
    offer_timeout_s: float = 900.0
    """So long may a device stand on one step; then it counts as unreachable or as failed."""
    max_wait_s: float = 86_400.0
    """When the gate has waited so long for data, the rollout holds for a person."""
    max_failure_ratio: float = 0.1
    max_error_ratio: float = 0.02
    max_late_ratio: float = 0.05
    max_cannot_judge_ratio: float = 0.05
    min_items: int = 200
    probation_items: int = 50
    probation_s: float = 600.0
    max_p95_ms: float = 200.0
    on_failure: OnFailure = OnFailure.PAUSE

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(body: dict[str, Any]) -> "Plan":
        """The plan that `as_json` wrote; a field that it lacks has its default."""
        known = {field.name: body[field.name] for field in fields(Plan) if field.name in body}
        known["shares"] = tuple(known.get("shares", Plan().shares))
        return Plan(**{**known, "on_failure": OnFailure(known.get("on_failure", OnFailure.PAUSE))})


@dataclass(frozen=True, slots=True)
class Candidate:
    """One device and where it stands."""

    device_id: str
    site_id: Hashable
    line_id: Hashable


_RATIOS = ("max_failure_ratio", "max_error_ratio", "max_late_ratio", "max_cannot_judge_ratio")
_DURATIONS = ("soak_s", "offer_timeout_s", "max_wait_s", "probation_s", "max_p95_ms")
_COUNTS = ("min_items", "probation_items")


def plan_faults(plan: Plan) -> dict[str, str]:
    """By field, a sentence for each thing that is wrong with the plan; empty when it can be carried out."""
    faults = {name: "A limit lies between 0 and 100 %." for name in _RATIOS if not 0 <= getattr(plan, name) <= 1}
    for name in _DURATIONS:
        if not 0 < getattr(plan, name) < math.inf:
            faults[name] = "A duration is longer than 0."
    for name in _COUNTS:
        if getattr(plan, name) < 1:
            faults[name] = "At least one item is needed as evidence."
    if fault := _shares_fault(plan.shares):
        faults["shares"] = fault
    return faults


def _shares_fault(shares: tuple[float, ...]) -> str:
    if not shares or any(not 0 < share <= 1 for share in shares):
        return "Each stage's share is above 0 and at most 100 %."
    if list(shares) != sorted(shares) or shares[-1] != 1.0:
        return "Shares grow from stage to stage and end at 100 %."
    return ""


def stage_sizes(shares: Sequence[float], device_count: int) -> list[int]:
    """How many devices have the version by the end of each stage: ceil(share), at least one; equal stages merge."""
    sizes: list[int] = []
    for share in shares:
        # 0.07 * 100 is 7.000000000000001: a share is meant to a thousandth of a device.
        size = min(device_count, max(1, math.ceil(round(share * device_count, 3))))
        if not sizes or size > sizes[-1]:
            sizes.append(size)
    return sizes


def staged(candidates: Sequence[Candidate], shares: Sequence[float]) -> list[list[Candidate]]:
    """The devices of each stage. The same devices and shares always give the same stages."""
    ordered = _spread(candidates)
    ends = stage_sizes(shares, len(ordered))
    return [ordered[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def _spread(candidates: Sequence[Candidate]) -> list[Candidate]:
    """First one device of one line of each site, then of a second line of each site, …, then the second devices."""
    lines: dict[Hashable, list[Candidate]] = defaultdict(list)
    for candidate in sorted(candidates, key=lambda one: one.device_id):
        lines[candidate.line_id].append(candidate)
    line_rank: dict[Hashable, int] = {}
    site_count: dict[Hashable, int] = defaultdict(int)
    for line_id, members in sorted(lines.items(), key=lambda item: item[1][0].device_id):
        line_rank[line_id] = site_count[members[0].site_id]
        site_count[members[0].site_id] += 1
    place = {one.device_id: index for members in lines.values() for index, one in enumerate(members)}
    return sorted(candidates, key=lambda one: (place[one.device_id], line_rank[one.line_id], one.device_id))
