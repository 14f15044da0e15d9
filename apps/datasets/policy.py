"""Which image goes into which split. Pure and seeded: the same images and seed give the same splits."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from apps.datasets.states import Split

SHARES: Mapping[Split, float] = {
    Split.TRAIN: 0.55,
    Split.CALIBRATION: 0.10,
    Split.SEARCH: 0.10,
    Split.GATE: 0.15,
    Split.REPLAY: 0.10,
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """One image that may join a frozen version. Near-duplicates share `group`."""

    sha256: str
    label: str
    group: str


def splits_assign(
    candidates: Sequence[Candidate],
    *,
    seed: int,
    kept: Mapping[str, Split] | None = None,
    shares: Mapping[Split, float] = SHARES,
) -> dict[str, Split]:
    """The split of each image, by sha256: groups whole, each label in the wanted shares as nearly as groups allow.

    kept: groups whose split is already decided, e.g. by an earlier version, so that a sealed image stays sealed.
    The order of `candidates` does not matter.
    """
    groups = _groups(candidates)
    decided = {group: split for group, split in (kept or {}).items() if group in groups}
    for label in sorted({_stratum(members) for members in groups.values()}):
        stratum = {group: members for group, members in groups.items() if _stratum(members) == label}
        decided |= _fill(stratum, decided, seed=f"{seed}:{label}", shares=shares)
    return {member.sha256: decided[group] for group, members in groups.items() for member in members}


def _groups(candidates: Iterable[Candidate]) -> dict[str, list[Candidate]]:
    groups: dict[str, list[Candidate]] = defaultdict(list)
    for candidate in sorted(candidates, key=lambda one: one.sha256):
        groups[candidate.group].append(candidate)
    return groups


def _stratum(members: Sequence[Candidate]) -> str:
    """The group's most frequent label; of two equally frequent ones, the alphabetically first."""
    counts = Counter(member.label for member in members)
    return min(counts, key=lambda label: (-counts[label], label))


def _fill(
    stratum: Mapping[str, Sequence[Candidate]],
    decided: Mapping[str, Split],
    *,
    seed: str,
    shares: Mapping[Split, float],
) -> dict[str, Split]:
    """Give each group of one stratum to the split that lacks most. Large groups first, else none may hold them."""
    total = sum(len(members) for members in stratum.values())
    filled = Counter({split: 0 for split in shares})
    for group, members in stratum.items():
        if group in decided:
            filled[decided[group]] += len(members)
    order = sorted(group for group in stratum if group not in decided)
    random.Random(seed).shuffle(order)  # noqa: S311  reproducible on purpose, keeps no secret
    result: dict[str, Split] = {}
    for group in sorted(order, key=lambda name: -len(stratum[name])):
        split = max(shares, key=lambda one: shares[one] * total - filled[one])
        result[group] = split
        filled[split] += len(stratum[group])
    return result
