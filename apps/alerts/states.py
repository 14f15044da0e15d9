"""The life of an alert."""

from django.db.models import TextChoices


class AlertState(TextChoices):
    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


ALERT_MOVES: dict[str, frozenset[str]] = {
    AlertState.OPEN: frozenset({AlertState.ACKNOWLEDGED, AlertState.RESOLVED}),
    AlertState.ACKNOWLEDGED: frozenset({AlertState.RESOLVED}),
    AlertState.RESOLVED: frozenset(),
}


class RuleKind(TextChoices):
    DEVICE_SILENT = "device_silent"


class Severity(TextChoices):
    ACT_NOW = "act_now"
    ACT_THIS_SHIFT = "act_this_shift"
