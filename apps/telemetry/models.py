from django.db import models

from apps.devices.models import Device


class Stream(models.Model):
    """One journal of one device. Records 1 to `watermark` are here; the digest proves which ones they were."""

    id = models.CharField(primary_key=True, max_length=32)
    device = models.ForeignKey(Device, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=20)
    watermark = models.BigIntegerField(default=0)
    digest = models.CharField(max_length=32)
    issued = models.BigIntegerField(default=0)
    """The highest number that the device has said it wrote."""
    duplicate_count = models.BigIntegerField(default=0)
    """Records that came again after they were stored, and were not stored twice."""
    expired_count = models.BigIntegerField(default=0)
    """Records that were stored and dropped again when their retention was over."""
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)


class Result(models.Model):
    """The verdict on one item. Partitioned by the day it arrived, so a wrong device clock cannot break anything."""

    pk = models.CompositePrimaryKey("arrived_on", "stream", "seq")
    arrived_on = models.DateField()
    arrived_at = models.DateTimeField()
    stream = models.ForeignKey(
        Stream, on_delete=models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
    )
    seq = models.BigIntegerField()
    device = models.ForeignKey(
        Device, on_delete=models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
    )
    at = models.DateTimeField()
    is_time_trusted = models.BooleanField()
    line = models.CharField(max_length=200)
    item = models.CharField(max_length=200)
    product = models.CharField(max_length=200)
    lot = models.CharField(max_length=200)
    verdict = models.CharField(max_length=20)
    label = models.CharField(max_length=200)
    score_ratio = models.FloatField(null=True)
    threshold_ratio = models.FloatField(null=True)
    model_digest = models.CharField(max_length=64, null=True)  # noqa: DJ001  None: no model ran
    cannot_judge = models.CharField(max_length=40, null=True)  # noqa: DJ001
    infer_ms = models.FloatField()
    total_ms = models.FloatField()
    is_in_time = models.BooleanField()
    image_sha256 = models.CharField(max_length=64, null=True)  # noqa: DJ001
    flag_reason = models.CharField(max_length=40, null=True)  # noqa: DJ001
    selection_ratio = models.FloatField(null=True)
    source = models.CharField(max_length=200, blank=True)

    class Meta:
        # Partitioned by `arrived_on`: migration 0002 makes the table itself.
        db_table = "telemetry_result"
        indexes = [models.Index(fields=["device", "arrived_at"], name="result_by_device_arrival")]


class Window(models.Model):
    """One minute of one line as the device summed it up. Sketches merge: see edge_agent.contract.sketches."""

    stream = models.ForeignKey(Stream, on_delete=models.PROTECT, related_name="+")
    seq = models.BigIntegerField()
    device = models.ForeignKey(Device, on_delete=models.PROTECT, related_name="+")
    arrived_at = models.DateTimeField()
    start = models.DateTimeField()
    duration_s = models.FloatField()
    line = models.CharField(max_length=200)
    model_digest = models.CharField(max_length=64, null=True)  # noqa: DJ001
    verdict_counts = models.JSONField()
    label_counts = models.JSONField()
    low_confidence_count = models.IntegerField()
    late_count = models.IntegerField()
    error_count = models.IntegerField()
    infer_sketch = models.JSONField()
    total_sketch = models.JSONField()
    score_sketch = models.JSONField()
    backlog_count = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["stream", "seq"], name="window_once")]
        indexes = [models.Index(fields=["device", "-start"]), models.Index(fields=["-start"])]


class ControlRecord(models.Model):
    """Health, update steps, answers, reports, alarms: few per device, kept as they came."""

    stream = models.ForeignKey(Stream, on_delete=models.PROTECT, related_name="+")
    seq = models.BigIntegerField()
    device = models.ForeignKey(Device, on_delete=models.PROTECT, related_name="+")
    arrived_at = models.DateTimeField()
    at = models.DateTimeField()
    kind = models.CharField(max_length=40)
    body = models.JSONField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["stream", "seq"], name="control_record_once")]
        indexes = [models.Index(fields=["device", "kind", "-id"])]


class QuarantinedRecord(models.Model):
    """A record that this side could not read or store. It is kept whole, alone, and blocks nothing."""

    stream = models.ForeignKey(Stream, on_delete=models.PROTECT, related_name="+")
    seq = models.BigIntegerField()
    device = models.ForeignKey(Device, on_delete=models.PROTECT, related_name="+")
    arrived_at = models.DateTimeField()
    reason = models.CharField(max_length=300)
    body = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["stream", "seq"], name="quarantined_once")]


class DeviceFacts(models.Model):
    """The latest that one device reported of itself: one row per device, what pages and policies read first."""

    device = models.OneToOneField(Device, primary_key=True, on_delete=models.CASCADE, related_name="+")
    last_seen_at = models.DateTimeField(null=True, db_index=True)
    clock_offset_ms = models.BigIntegerField(null=True)
    agent_version = models.CharField(max_length=40, blank=True)
    active_digest = models.CharField(max_length=64, null=True)  # noqa: DJ001
    previous_digest = models.CharField(max_length=64, null=True)  # noqa: DJ001
    digest_since = models.DateTimeField(null=True)
    configuration_revision = models.PositiveIntegerField(default=0)
    configuration_refused = models.CharField(max_length=200, blank=True)
    update_state = models.CharField(max_length=20, blank=True)
    update_reason = models.CharField(max_length=200, blank=True)
    health = models.JSONField(default=dict)
    health_at = models.DateTimeField(null=True)
    last_item_at = models.DateTimeField(null=True)
    """When a verdict of this device last arrived here (server time)."""
    backlog_count = models.BigIntegerField(default=0)
