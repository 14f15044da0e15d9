"""How every state is shown: a word, a shape and a tone. One word has one icon everywhere, and one icon one word.

Tones: `ok` (grey, normal), `now` (red, act now), `soon` (amber, act this shift), `ask` (blue, a person must decide),
`unk` (violet, hatched: unknown or stale).
"""

from dataclasses import dataclass
from enum import Enum

from apps.alerts.states import AlertState, Severity
from apps.dashboard.policy import Health
from apps.datasets.states import ImportState
from apps.defects.states import Answer, ReviewState
from apps.devices.states import Admission, CommandState, Shown
from apps.models.states import RunState, VersionState
from apps.rollouts.states import Gate, RolloutState, StageState, TargetState
from edge_agent.wire.words import Verdict


@dataclass(frozen=True, slots=True)
class Look:
    word: str
    icon: str
    tone: str = "ok"


_SUCCEEDED = Look("Succeeded", "circle-check")
_FAILED = Look("Failed", "circle-x", "now")
_RUNNING = Look("Running", "play")
_QUEUED = Look("Queued", "list-end")
_WAITING = Look("Waiting", "hourglass")
_CANNOT_JUDGE = Look("Cannot judge", "eye-off", "soon")
_DEFECT = Look("Defect", "scan-search", "soon")
_PASSED = Look("Passed", "shield-check")
_OFFERED = Look("Offered", "mail")
_WITHDRAWN = Look("Withdrawn", "archive-x")
_UNKNOWN = Look("Unknown", "circle-question-mark", "unk")
_ACT_NOW = Look("Act now", "siren", "now")
_ACT_THIS_SHIFT = Look("Act this shift", "clock-3", "soon")
_APPROVED = Look("Approved", "user-check")

LOOKS: dict[str, dict[str, Look]] = {
    "device": {
        Shown.INSPECTING: Look("Inspecting", "check"),
        Shown.DEGRADED: Look("Degraded", "triangle-alert", "soon"),
        Shown.STOPPED: Look("Stopped", "octagon-alert", "now"),
        Shown.UPDATING: Look("Updating", "arrow-up"),
        Shown.UNKNOWN: _UNKNOWN,
    },
    "admission": {
        Admission.EXPECTED: Look("Expected", "key-round", "ask"),
        Admission.ENROLLED: Look("Enrolled", "link"),
        Admission.QUARANTINED: Look("Quarantined", "shield-alert", "now"),
        Admission.DECOMMISSIONED: Look("Decommissioned", "power-off"),
    },
    "command": {
        CommandState.QUEUED: _QUEUED,
        CommandState.DELIVERED: Look("Delivered", "mail-check"),
        CommandState.SUCCEEDED: _SUCCEEDED,
        CommandState.FAILED: _FAILED,
        CommandState.EXPIRED: Look("Expired", "timer-off", "soon"),
    },
    "import": {
        ImportState.RUNNING: _RUNNING,
        ImportState.SUCCEEDED: _SUCCEEDED,
        ImportState.FAILED: _FAILED,
    },
    "run": {
        RunState.QUEUED: _QUEUED,
        RunState.RUNNING: _RUNNING,
        RunState.SUCCEEDED: _SUCCEEDED,
        RunState.FAILED: _FAILED,
        RunState.CANCELLED: Look("Cancelled", "ban"),
    },
    "version": {
        VersionState.UPLOADED: Look("Uploaded", "upload"),
        VersionState.VALIDATED: Look("Validated", "clipboard-check", "ask"),
        VersionState.APPROVED: _APPROVED,
        VersionState.SIGNED: Look("Signed", "signature"),
        VersionState.PUBLISHED: Look("Published", "package-check"),
        VersionState.WITHDRAWN: _WITHDRAWN,
    },
    "rollout": {
        RolloutState.DRAFT: Look("Draft", "file-pen"),
        RolloutState.AWAITING_APPROVAL: Look("Awaiting approval", "user", "ask"),
        RolloutState.SCHEDULED: Look("Scheduled", "calendar-clock"),
        RolloutState.RUNNING: _RUNNING,
        RolloutState.PAUSED: Look("Paused", "circle-pause", "ask"),
        RolloutState.COMPLETED: Look("Completed", "flag"),
        RolloutState.RETURNING: Look("Returning", "undo-2", "soon"),
        RolloutState.RETURNED: Look("Returned", "undo-dot"),
        RolloutState.STOPPED: Look("Ended early", "circle-stop", "soon"),
        RolloutState.REJECTED: Look("Rejected", "user-x"),
    },
    "stage": {
        StageState.WAITING: _WAITING,
        StageState.DEPLOYING: Look("Deploying", "send"),
        StageState.SOAKING: Look("Soaking", "droplets"),
        StageState.PASSED: _PASSED,
        StageState.FAILED: _FAILED,
    },
    "target": {
        TargetState.PENDING: Look("Pending", "circle-dashed"),
        TargetState.OFFERED: _OFFERED,
        TargetState.DOWNLOADING: Look("Downloading", "download"),
        TargetState.STAGED: Look("Staged", "hard-drive-download"),
        TargetState.TRIAL: Look("Trial", "flask-conical"),
        TargetState.PROBATION: Look("Probation", "microscope"),
        TargetState.CONFIRMED: Look("Confirmed", "badge-check"),
        TargetState.ROLLED_BACK: Look("Rolled back", "rotate-ccw", "now"),
        TargetState.FAILED: _FAILED,
        TargetState.TIMED_OUT: Look("Timed out", "clock-alert", "now"),
        TargetState.ALREADY_THERE: Look("Already there", "equal"),
        TargetState.INCOMPATIBLE: Look("Incompatible", "puzzle"),
        TargetState.WITHDRAWN: _WITHDRAWN,
    },
    "gate": {
        Gate.PASS: Look("Gate: pass", "thumbs-up"),
        Gate.NEED_MORE_DATA: Look("Gate: need more data", "scale", "ask"),
        Gate.FAIL: Look("Gate: fail", "thumbs-down", "now"),
    },
    "review": {
        ReviewState.AWAITING_IMAGE: Look("Awaiting image", "image-down"),
        ReviewState.WAITING: _WAITING,
        ReviewState.CLAIMED: Look("Being reviewed", "eye"),
        ReviewState.LABELLED: Look("Labelled", "tag"),
        ReviewState.ADJUDICATED: Look("Adjudicated", "gavel"),
    },
    "answer": {
        Answer.DEFECT: _DEFECT,
        Answer.GOOD: Look("Good", "circle-dot"),
        Answer.CANNOT_JUDGE: _CANNOT_JUDGE,
        Answer.UNSURE: Look("Unsure", "split", "ask"),
    },
    "verdict": {
        Verdict.OK: Look("OK", "square-check"),
        Verdict.DEFECT: _DEFECT,
        Verdict.CANNOT_JUDGE: _CANNOT_JUDGE,
    },
    "alert": {
        AlertState.OPEN: Look("Open", "bell-ring", "now"),
        AlertState.ACKNOWLEDGED: Look("Acknowledged", "bell-dot", "soon"),
        AlertState.RESOLVED: Look("Resolved", "bell-off"),
    },
    "severity": {
        Severity.ACT_NOW: _ACT_NOW,
        Severity.ACT_THIS_SHIFT: _ACT_THIS_SHIFT,
    },
    "health": {
        Health.IN_ORDER: Look("In order", "heart-pulse"),
        Health.ACT_THIS_SHIFT: _ACT_THIS_SHIFT,
        Health.ACT_NOW: _ACT_NOW,
        Health.UNKNOWN: _UNKNOWN,
    },
}
"""By life cycle, then by state."""

ENUMS: dict[str, type[Enum]] = {
    "device": Shown,
    "admission": Admission,
    "command": CommandState,
    "import": ImportState,
    "run": RunState,
    "version": VersionState,
    "rollout": RolloutState,
    "stage": StageState,
    "target": TargetState,
    "gate": Gate,
    "review": ReviewState,
    "answer": Answer,
    "verdict": Verdict,
    "alert": AlertState,
    "severity": Severity,
    "health": Health,
}


def look_of(cycle: str, state: str) -> Look:
    """A state that this code does not know is shown as what it is: unknown, with its own name."""
    return LOOKS[cycle].get(state) or Look(str(state).replace("_", " ") or "Unknown", "circle-question-mark", "unk")
