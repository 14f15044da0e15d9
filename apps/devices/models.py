import uuid

from django.conf import settings
from django.db import models

from apps.devices.states import Admission, CommandState


class Site(models.Model):
    """A plant. Times on pages are shown in its zone."""

    name = models.CharField(max_length=100, unique=True)
    time_zone = models.CharField(max_length=64, default="UTC")


class Line(models.Model):
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="lines")
    name = models.CharField(max_length=100)
    product = models.CharField(max_length=100, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["site", "name"], name="line_once_per_site")]


class Device(models.Model):
    """One edge agent. Its private key was made on the device and never left it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    line = models.ForeignKey(Line, on_delete=models.PROTECT, related_name="devices")
    name = models.CharField(max_length=100, unique=True)
    state = models.CharField(max_length=20, choices=Admission.choices, default=Admission.EXPECTED)
    state_reason = models.CharField(max_length=200, blank=True)
    public_key = models.CharField(max_length=64, blank=True)
    hardware = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)
    enrolled_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["public_key"], condition=~models.Q(public_key=""), name="device_key_once"),
        ]


class EnrolmentCode(models.Model):
    """A one-time code for one expected device. Only its hash is kept."""

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="codes")
    code_hash = models.CharField(max_length=64, unique=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)


class ConfigurationRevision(models.Model):
    """What one device should be set to. Revisions count up per device; the highest one is desired."""

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="configurations")
    revision = models.PositiveIntegerField()
    body = models.JSONField()
    """`edge_agent.wire.configuration.Configuration` as JSON."""
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    reason = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["device", "revision"], name="configuration_revision_once")]


class Command(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="commands")
    kind = models.CharField(max_length=40)
    arguments = models.JSONField(default=dict)
    state = models.CharField(max_length=20, choices=CommandState.choices, default=CommandState.QUEUED)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    next_look_at = models.DateTimeField(db_index=True)
    """When it expires: the row's deadline."""
    delivered_at = models.DateTimeField(null=True)
    answered_at = models.DateTimeField(null=True)
    answer = models.TextField(blank=True)

    class Meta:
        indexes = [models.Index(fields=["device", "state"])]
