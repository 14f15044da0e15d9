from django.conf import settings
from django.db import models

from apps.defects.states import Answer, ReviewState
from apps.devices.models import Device


class FlaggedImage(models.Model):
    """An item whose image a device kept for people. Keyed to the result by (device, stream, seq)."""

    device = models.ForeignKey(Device, on_delete=models.PROTECT, related_name="+")
    stream_id = models.CharField(max_length=32)
    seq = models.BigIntegerField()
    sha256 = models.CharField(max_length=64, db_index=True)
    size_bytes = models.BigIntegerField()
    at = models.DateTimeField()
    arrived_at = models.DateTimeField()
    line = models.CharField(max_length=200)
    item = models.CharField(max_length=200)
    product = models.CharField(max_length=200, blank=True)
    lot = models.CharField(max_length=200, blank=True)
    verdict = models.CharField(max_length=20)
    label = models.CharField(max_length=200, blank=True)
    score_ratio = models.FloatField(null=True)
    threshold_ratio = models.FloatField(null=True)
    model_digest = models.CharField(max_length=64, null=True)  # noqa: DJ001
    reason = models.CharField(max_length=40)
    selection_ratio = models.FloatField()
    source = models.CharField(max_length=64, blank=True)
    state = models.CharField(max_length=20, choices=ReviewState.choices, default=ReviewState.AWAITING_IMAGE)
    claimed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    claimed_until = models.DateTimeField(null=True)
    rank = models.FloatField(default=0.0)
    """The queue's order, highest first: how unsure the model was, plus what a mistake would cost."""

    class Meta:
        constraints = [models.UniqueConstraint(fields=["stream_id", "seq"], name="flag_once")]
        indexes = [models.Index(fields=["state", "-rank", "id"])]


class Review(models.Model):
    """One verdict of one person. `uuid` is made in the browser, so that a repeated send changes nothing."""

    flag = models.ForeignKey(FlaggedImage, on_delete=models.CASCADE, related_name="reviews")
    uuid = models.UUIDField(unique=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()
    answer = models.CharField(max_length=20, choices=Answer.choices)
    label = models.CharField(max_length=100, blank=True)
    note = models.CharField(max_length=500, blank=True)
    seconds = models.FloatField(null=True)
    is_deciding = models.BooleanField(default=True)
    """False: somebody had judged the image before this verdict arrived. It is kept as a second opinion."""
    is_label_sent = models.BooleanField(default=False)
    """A data set took the label, so an undo has something to take back."""
    undone_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["by", "-at"])]
