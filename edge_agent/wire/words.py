"""The words both worlds use for states that travel between them."""

from enum import StrEnum


class Verdict(StrEnum):
    """What the line is told about one item."""

    OK = "ok"
    DEFECT = "defect"
    CANNOT_JUDGE = "cannot_judge"


class CannotJudge(StrEnum):
    """Why an item got no verdict."""

    NO_MODEL = "no_model"
    BAD_FRAME = "bad_frame"
    ENGINE_ERROR = "engine_error"
    TOO_LATE = "too_late"
    BLURRED = "blurred"
    UNDEREXPOSED = "underexposed"
    OVEREXPOSED = "overexposed"
    GLARE = "glare"
    OCCLUDED = "occluded"
    SHIFTED = "shifted"
    FROZEN = "frozen"
    NOISY = "noisy"
    SIGNAL_NOISY = "signal_noisy"
    SIGNAL_SATURATED = "signal_saturated"
    SIGNAL_DROPOUT = "signal_dropout"
    SIGNAL_DRIFT = "signal_drift"
    SIGNAL_GAP = "signal_gap"


CAMERA_FAULTS = frozenset(
    {
        CannotJudge.BLURRED,
        CannotJudge.UNDEREXPOSED,
        CannotJudge.OVEREXPOSED,
        CannotJudge.GLARE,
        CannotJudge.OCCLUDED,
        CannotJudge.SHIFTED,
        CannotJudge.FROZEN,
        CannotJudge.NOISY,
    }
)
"""What is wrong with the camera and not with the part or the model."""


class FlagReason(StrEnum):
    """Why an item's image was kept for people."""

    LOW_CONFIDENCE = "low_confidence"
    RANDOM_SAMPLE = "random_sample"
    CANNOT_JUDGE = "cannot_judge"
    REQUESTED = "requested"
    CLASS_QUOTA = "class_quota"


class StreamKind(StrEnum):
    """Backlogged inspection data never delays what a rollout or a person waits for."""

    INSPECTION = "inspection"
    CONTROL = "control"


class UpdateState(StrEnum):
    """Where one model update stands on the device; saved to disk before each act."""

    OFFERED = "offered"
    DOWNLOADING = "downloading"
    STAGED = "staged"
    TRIAL = "trial"
    PROBATION = "probation"
    CONFIRMED = "confirmed"
    ROLLED_BACK = "rolled_back"
    FAILED = "failed"
    INCOMPATIBLE = "incompatible"
    ALREADY_THERE = "already_there"
    WITHDRAWN = "withdrawn"


FINAL_UPDATE_STATES = frozenset(
    {
        UpdateState.CONFIRMED,
        UpdateState.ROLLED_BACK,
        UpdateState.FAILED,
        UpdateState.INCOMPATIBLE,
        UpdateState.ALREADY_THERE,
        UpdateState.WITHDRAWN,
    }
)


class CommandKind(StrEnum):
    """What a person may ask of one device (docs/commands.md)."""

    HEALTH_CHECK = "health_check"
    LOGS = "logs"
    SELF_TEST = "self_test"
    SNAPSHOT = "snapshot"
    RESTART = "restart"
    PROFILE = "profile"
    DIAGNOSE = "diagnose"


class OfferKind(StrEnum):
    """What a signed target is, and thus what the device does with it once it is verified."""

    MODEL = "model"
    AGENT = "agent"
    REFERENCE = "reference"
    SHADOW = "shadow"


class CommandOutcome(StrEnum):
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class AlarmCode(StrEnum):
    """Something on the device that a person should know."""

    STORAGE_FULL = "storage_full"
    JOURNAL_DAMAGED = "journal_damaged"
    CAMERA_FAULT = "camera_fault"
    CAMERA_MAINTENANCE = "camera_maintenance"
    LINE_SIGNAL_FAULT = "line_signal_fault"
    OUTPUT_DROPPED = "output_dropped"
    ENGINE_FAULT = "engine_fault"
    UPDATE_REFUSED = "update_refused"
    CONFIGURATION_REFUSED = "configuration_refused"
