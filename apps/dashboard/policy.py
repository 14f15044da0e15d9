"""Whether the installation itself is in order. Pure: measured facts in, a state with its sentence out."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

DAY_S = 86_400.0
GB = 1_000_000_000

WORKER_SOON_S, WORKER_NOW_S = 60.0, 300.0
"""The canary runs every 10 s."""
RECONCILER_SOON_S, RECONCILER_NOW_S = 90.0, 300.0
"""A round takes seconds; its slowest turn is cut off after 60 s."""
DISK_SOON_RATIO, DISK_NOW_RATIO = 0.10, 0.03
ROLE_LIMITS_DAYS = {"root": (180, 30), "targets": (90, 14), "snapshot": (10, 3), "timestamp": (5, 2)}
"""By role: days left before a person should look, and before devices may soon refuse updates. Each role but root is
signed again after half its life (30 days for a snapshot, 14 for a timestamp), so fewer days mean that this failed."""
ROLE_LIMITS_OTHER_DAYS = (10, 3)


class Health(StrEnum):
    IN_ORDER = "in_order"
    ACT_THIS_SHIFT = "act_this_shift"
    ACT_NOW = "act_now"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class RoleLeft:
    """A signing role of the update repository. left_s: until its signature expires; negative when it has."""

    role: str
    version: int
    left_s: float
    is_protected: bool


@dataclass(frozen=True, slots=True)
class HealthFacts:
    """None: could not be measured. roles: None when they cannot be read, empty while nothing was published."""

    worker_silence_s: float | None
    reconciler_silence_s: float | None
    database_bytes: int | None
    disk_free_bytes: int | None
    disk_total_bytes: int | None
    roles: Sequence[RoleLeft] | None


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    state: Health
    value: str
    sentence: str


def health_checks(facts: HealthFacts) -> list[Check]:
    """One per part, in a fixed order."""
    worker = _silence(facts.worker_silence_s, WORKER_SOON_S, WORKER_NOW_S)
    reconciler = _silence(facts.reconciler_silence_s, RECONCILER_SOON_S, RECONCILER_NOW_S)
    return [
        Check("Worker", worker, _heard(facts.worker_silence_s), _WORKER_SAYS[worker]),
        Check("Reconciler", reconciler, _heard(facts.reconciler_silence_s), _RECONCILER_SAYS[reconciler]),
        _database(facts),
        _disk(facts),
        *_roles(facts.roles),
    ]


_UNHEARD = "It was never heard of, or the cache does not answer."
_WORKER_SAYS = {
    Health.IN_ORDER: "Tasks are carried out.",
    Health.ACT_THIS_SHIFT: "Tasks are late. Trainings wait; lines and rollouts go on.",
    Health.ACT_NOW: "No task is carried out. Trainings wait; lines and rollouts go on. Look at the worker's log.",
    Health.UNKNOWN: _UNHEARD,
}
_RECONCILER_SAYS = {
    Health.IN_ORDER: "Rollouts move, alerts open and close.",
    Health.ACT_THIS_SHIFT: "Its rounds are late.",
    Health.ACT_NOW: "Rollouts and alerts stand still. Lines go on. Look at the reconciler's log.",
    Health.UNKNOWN: _UNHEARD,
}


def _silence(silence_s: float | None, soon_s: float, now_s: float) -> Health:
    if silence_s is None:
        return Health.UNKNOWN
    return Health.ACT_NOW if silence_s > now_s else Health.ACT_THIS_SHIFT if silence_s > soon_s else Health.IN_ORDER


def _heard(silence_s: float | None) -> str:
    return "–" if silence_s is None else f"heard {max(silence_s, 0.0):.0f} s ago"


def _database(facts: HealthFacts) -> Check:
    size, free = facts.database_bytes, facts.disk_free_bytes
    if size is None:
        return Check("Database", Health.UNKNOWN, "–", "Its size cannot be asked.")
    if free is not None and size > free:
        return Check("Database", Health.ACT_THIS_SHIFT, _size(size), "A copy of it would not fit on this disk.")
    return Check("Database", Health.IN_ORDER, _size(size), "It answers.")


def _disk(facts: HealthFacts) -> Check:
    free, total = facts.disk_free_bytes, facts.disk_total_bytes
    if free is None or not total:
        return Check("Disk", Health.UNKNOWN, "–", "The folder of the data cannot be measured.")
    value = f"{_size(free)} free of {_size(total)}"
    ratio = free / total
    if ratio < DISK_NOW_RATIO:
        return Check("Disk", Health.ACT_NOW, value, "Soon no result can be stored. Devices keep theirs meanwhile.")
    if ratio < DISK_SOON_RATIO:
        return Check("Disk", Health.ACT_THIS_SHIFT, value, "Make room before it fills up.")
    return Check("Disk", Health.IN_ORDER, value, "There is room.")


def _roles(roles: Sequence[RoleLeft] | None) -> list[Check]:
    if roles is None:
        return [Check("Signatures", Health.UNKNOWN, "–", "The repository of updates cannot be read.")]
    if not roles:
        return [Check("Signatures", Health.IN_ORDER, "none yet", "The first approval makes the keys.")]
    return [_role(one) for one in roles]


def _role(one: RoleLeft) -> Check:
    soon_days, now_days = ROLE_LIMITS_DAYS.get(one.role, ROLE_LIMITS_OTHER_DAYS)
    name, days = f"Signature: {one.role}", one.left_s / DAY_S
    if days <= 0:
        return Check(name, Health.ACT_NOW, "expired", "Devices refuse every update until it is signed again.")
    value = f"{days:.0f} days left"
    if days < now_days:
        return Check(name, Health.ACT_NOW, value, "Sign it again before devices refuse updates.")
    if days < soon_days:
        who = "An approver has to sign it again." if one.is_protected else "It should have been signed again by itself."
        return Check(name, Health.ACT_THIS_SHIFT, value, who)
    return Check(name, Health.IN_ORDER, value, f"Version {one.version}.")


def _size(size_bytes: int) -> str:
    return f"{size_bytes / GB:,.1f} GB" if size_bytes >= GB else f"{size_bytes / 1_000_000:,.0f} MB"
