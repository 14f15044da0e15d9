"""Splits of a frozen data set, and the life of an import."""

from django.db.models import TextChoices


class Split(TextChoices):
    """Disjoint by construction. Near-duplicates share one."""

    TRAIN = "train"
    CALIBRATION = "calibration"
    SEARCH = "search"
    GATE = "gate"
    REPLAY = "replay"


class ImportState(TextChoices):
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


IMPORT_MOVES: dict[str, frozenset[str]] = {
    ImportState.RUNNING: frozenset({ImportState.SUCCEEDED, ImportState.FAILED}),
    ImportState.SUCCEEDED: frozenset(),
    ImportState.FAILED: frozenset({ImportState.RUNNING}),
}
