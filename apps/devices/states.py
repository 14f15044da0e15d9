"""Life cycles of a device's admission and of a remote command, and the words a device is shown with."""

from django.db.models import TextChoices


class Admission(TextChoices):
    """May this device talk to us? Stored; everything else about a device is computed from facts."""

    EXPECTED = "expected"
    ENROLLED = "enrolled"
    QUARANTINED = "quarantined"
    DECOMMISSIONED = "decommissioned"


ADMISSION_MOVES: dict[str, frozenset[str]] = {
    Admission.EXPECTED: frozenset({Admission.ENROLLED, Admission.DECOMMISSIONED}),
    Admission.ENROLLED: frozenset({Admission.QUARANTINED, Admission.DECOMMISSIONED}),
    Admission.QUARANTINED: frozenset({Admission.ENROLLED, Admission.DECOMMISSIONED}),
    Admission.DECOMMISSIONED: frozenset(),
}


class Shown(TextChoices):
    """How a device is shown: computed from facts and time, never stored."""

    INSPECTING = "inspecting"
    DEGRADED = "degraded"
    STOPPED = "stopped"
    UPDATING = "updating"
    UNKNOWN = "unknown"


class CommandState(TextChoices):
    QUEUED = "queued"
    DELIVERED = "delivered"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    EXPIRED = "expired"


COMMAND_MOVES: dict[str, frozenset[str]] = {
    # An answer may arrive for a command whose delivery we never saw confirmed.
    CommandState.QUEUED: frozenset(
        {CommandState.DELIVERED, CommandState.SUCCEEDED, CommandState.FAILED, CommandState.EXPIRED}
    ),
    CommandState.DELIVERED: frozenset({CommandState.SUCCEEDED, CommandState.FAILED, CommandState.EXPIRED}),
    CommandState.SUCCEEDED: frozenset(),
    CommandState.FAILED: frozenset(),
    # The device did answer, only late: what the device reports overrides what the server believes.
    CommandState.EXPIRED: frozenset({CommandState.SUCCEEDED, CommandState.FAILED}),
}
