"""Life cycles of a rollout, of its stages and of its targets (one device in one rollout), and the gate's verdict."""

from enum import StrEnum

from django.db.models import TextChoices


class RolloutState(TextChoices):
    DRAFT = "draft"
    AWAITING_APPROVAL = "awaiting_approval"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    RETURNING = "returning"
    RETURNED = "returned"
    STOPPED = "stopped"
    REJECTED = "rejected"


ROLLOUT_MOVES: dict[str, frozenset[str]] = {
    RolloutState.DRAFT: frozenset({RolloutState.AWAITING_APPROVAL}),
    # An edit voids the submission: back to draft.
    RolloutState.AWAITING_APPROVAL: frozenset({RolloutState.SCHEDULED, RolloutState.REJECTED, RolloutState.DRAFT}),
    RolloutState.SCHEDULED: frozenset({RolloutState.RUNNING, RolloutState.STOPPED}),
    RolloutState.RUNNING: frozenset(
        {RolloutState.PAUSED, RolloutState.COMPLETED, RolloutState.RETURNING, RolloutState.STOPPED}
    ),
    RolloutState.PAUSED: frozenset({RolloutState.RUNNING, RolloutState.RETURNING, RolloutState.STOPPED}),
    # A finished or stopped rollout can still be taken back.
    RolloutState.COMPLETED: frozenset({RolloutState.RETURNING}),
    RolloutState.STOPPED: frozenset({RolloutState.RETURNING}),
    RolloutState.RETURNING: frozenset({RolloutState.RETURNED}),
    RolloutState.RETURNED: frozenset(),
    RolloutState.REJECTED: frozenset(),
}


class StageState(TextChoices):
    WAITING = "waiting"
    DEPLOYING = "deploying"
    SOAKING = "soaking"
    PASSED = "passed"
    FAILED = "failed"


STAGE_MOVES: dict[str, frozenset[str]] = {
    StageState.WAITING: frozenset({StageState.DEPLOYING}),
    StageState.DEPLOYING: frozenset({StageState.SOAKING, StageState.FAILED, StageState.PASSED}),
    # A late device may return to the wave.
    StageState.SOAKING: frozenset({StageState.PASSED, StageState.FAILED, StageState.DEPLOYING}),
    StageState.PASSED: frozenset(),
    # A person may advance past a failed gate, with a reason that stays on record.
    StageState.FAILED: frozenset({StageState.PASSED}),
}


class TargetState(TextChoices):
    PENDING = "pending"
    OFFERED = "offered"
    DOWNLOADING = "downloading"
    STAGED = "staged"
    TRIAL = "trial"
    PROBATION = "probation"
    CONFIRMED = "confirmed"
    ROLLED_BACK = "rolled_back"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    ALREADY_THERE = "already_there"
    INCOMPATIBLE = "incompatible"
    WITHDRAWN = "withdrawn"


_ENDS = frozenset(
    {
        TargetState.CONFIRMED,
        TargetState.ROLLED_BACK,
        TargetState.FAILED,
        TargetState.TIMED_OUT,
        TargetState.ALREADY_THERE,
        TargetState.INCOMPATIBLE,
        TargetState.WITHDRAWN,
    }
)
_ON_DEVICE = (
    TargetState.OFFERED,
    TargetState.DOWNLOADING,
    TargetState.STAGED,
    TargetState.TRIAL,
    TargetState.PROBATION,
)

TARGET_MOVES: dict[str, frozenset[str]] = {
    # A pause takes an offer back to pending; a device that had just heard of it may report on it all the same.
    TargetState.PENDING: frozenset(_ON_DEVICE) | _ENDS - {TargetState.TIMED_OUT},
    # The device reports where it is: any later step may be the next one we hear of, and after a restart an earlier one.
    # A device that gave up because its offer was taken back is pending again.
    **{state: (frozenset(_ON_DEVICE) | _ENDS | {TargetState.PENDING}) - {state} for state in _ON_DEVICE},
    # What the device reports overrides what the server believed.
    TargetState.TIMED_OUT: (frozenset(_ON_DEVICE) | _ENDS | {TargetState.PENDING}) - {TargetState.TIMED_OUT},
    TargetState.CONFIRMED: frozenset({TargetState.ROLLED_BACK, TargetState.WITHDRAWN}),
    TargetState.ROLLED_BACK: frozenset(),
    TargetState.FAILED: frozenset(),
    TargetState.ALREADY_THERE: frozenset({TargetState.WITHDRAWN}),
    TargetState.INCOMPATIBLE: frozenset(),
    TargetState.WITHDRAWN: frozenset(),
}
TARGET_ENDS = _ENDS
TARGET_OPEN = frozenset(_ON_DEVICE) | {TargetState.PENDING}
TARGET_ON_DEVICE = frozenset(_ON_DEVICE)
ROLLOUT_ACTIVE = frozenset({RolloutState.SCHEDULED, RolloutState.RUNNING, RolloutState.PAUSED, RolloutState.RETURNING})
"""While it is one of these, its devices belong to it."""
TARGET_LEFT_OUT = frozenset({TargetState.INCOMPATIBLE, TargetState.WITHDRAWN})
TARGET_DONE = frozenset({TargetState.CONFIRMED, TargetState.ALREADY_THERE})
TARGET_FAILURES = frozenset({TargetState.ROLLED_BACK, TargetState.FAILED, TargetState.TIMED_OUT})


class TimedOut(TextChoices):
    """Why a target timed out. Only the second one speaks against the version."""

    UNREACHABLE = "unreachable"
    NO_PROGRESS = "no_progress"


class Verb(TextChoices):
    """What a person can do with a rollout."""

    EDIT = "edit"
    SUBMIT = "submit"
    APPROVE = "approve"
    REJECT = "reject"
    PAUSE = "pause"
    RESUME = "resume"
    ADVANCE_NOW = "advance_now", "Advance now"
    STOP = "stop"
    ROLL_BACK = "roll_back", "Roll back"


class Gate(StrEnum):
    """What the evidence allows. Only `pass` advances; a lack of data never does."""

    PASS = "pass"  # noqa: S105  a verdict
    NEED_MORE_DATA = "need_more_data"
    FAIL = "fail"
