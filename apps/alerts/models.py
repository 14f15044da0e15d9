from django.conf import settings
from django.db import models
from django.db.models import Q

from apps.alerts.states import AlertState, RuleKind, Severity
from apps.devices.models import Device


class Rule(models.Model):
    """One rule over facts. `limit` is in the kind's own unit: seconds of silence for `device_silent`."""

    kind = models.CharField(max_length=40, choices=RuleKind.choices, unique=True)
    limit = models.FloatField()
    severity = models.CharField(max_length=20, choices=Severity.choices)
    is_enabled = models.BooleanField(default=True)


class Alert(models.Model):
    rule = models.ForeignKey(Rule, on_delete=models.PROTECT, related_name="alerts")
    device = models.ForeignKey(Device, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=20, choices=AlertState.choices, default=AlertState.OPEN)
    opened_at = models.DateTimeField()
    value = models.FloatField()
    limit = models.FloatField()
    """What the rule saw and what it allows, at the moment it opened."""
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    acknowledged_at = models.DateTimeField(null=True)
    resolved_at = models.DateTimeField(null=True)
    resolution = models.CharField(max_length=200, blank=True)
    note = models.CharField(max_length=500, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["rule", "device"], condition=~Q(state=AlertState.RESOLVED), name="one_unresolved_alert"
            ),
        ]
        indexes = [models.Index(fields=["state", "-opened_at"])]
