"""Life cycles of a model version and of a run (training, optimization, export)."""

from django.db.models import TextChoices


class VersionState(TextChoices):
    UPLOADED = "uploaded"
    VALIDATED = "validated"
    APPROVED = "approved"
    SIGNED = "signed"
    PUBLISHED = "published"
    WITHDRAWN = "withdrawn"


VERSION_MOVES: dict[str, frozenset[str]] = {
    VersionState.UPLOADED: frozenset({VersionState.VALIDATED, VersionState.WITHDRAWN}),
    VersionState.VALIDATED: frozenset({VersionState.APPROVED, VersionState.WITHDRAWN}),
    VersionState.APPROVED: frozenset({VersionState.SIGNED, VersionState.WITHDRAWN}),
    VersionState.SIGNED: frozenset({VersionState.PUBLISHED, VersionState.WITHDRAWN}),
    VersionState.PUBLISHED: frozenset({VersionState.WITHDRAWN}),
    VersionState.WITHDRAWN: frozenset(),
}


class RunKind(TextChoices):
    TRAINING = "training"
    OPTIMIZATION = "optimization"
    EXPORT = "export"


class RunState(TextChoices):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


RUN_MOVES: dict[str, frozenset[str]] = {
    RunState.QUEUED: frozenset({RunState.RUNNING, RunState.CANCELLED, RunState.FAILED}),
    RunState.RUNNING: frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED, RunState.QUEUED}),
    RunState.SUCCEEDED: frozenset(),
    RunState.FAILED: frozenset(),
    RunState.CANCELLED: frozenset(),
}
