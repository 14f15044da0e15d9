"""The vital few: kinds by how often they were found, with their running share (Juran 1951)."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate


@dataclass(frozen=True, slots=True)
class ParetoBar:
    label: str
    count: int
    cumulative_ratio: float
    """The share of everything found that this kind and all before it make."""


def pareto(counts: Mapping[str, int]) -> list[ParetoBar]:
    """Most frequent first, equal ones by name; kinds that were never found are left out."""
    found = sorted(((label, count) for label, count in counts.items() if count), key=lambda one: (-one[1], one[0]))
    total = sum(count for _, count in found)
    running = accumulate(count for _, count in found)
    return [ParetoBar(label, count, so_far / total) for (label, count), so_far in zip(found, running, strict=True)]
