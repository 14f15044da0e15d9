from django.conf import settings
from django.db import models

from apps.devices.models import Device
from apps.models.models import ModelVersion
from apps.rollouts.states import RolloutState, StageState, TargetState


class Rollout(models.Model):
    """A decision to bring one model version to a frozen list of devices, in stages."""

    version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=120)
    state = models.CharField(max_length=20, choices=RolloutState.choices, default=RolloutState.DRAFT)
    state_reason = models.CharField(max_length=500, blank=True)
    """One sentence with rule, value, limit and n whenever the product itself moved it."""
    state_since = models.DateTimeField()
    plan = models.JSONField()
    """Shares, soak seconds, limits: `apps.rollouts.policy.Plan` as JSON."""
    content_hash = models.CharField(max_length=64, blank=True)
    """What was submitted; an approval binds to it, an edit voids it."""
    is_demo = models.BooleanField(default=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    authors = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="+")
    """Everybody who wrote any of it: none of them may approve it."""
    created_at = models.DateTimeField(auto_now_add=True)
    submitted_at = models.DateTimeField(null=True)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True)
    decision_comment = models.CharField(max_length=500, blank=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    next_look_at = models.DateTimeField(null=True, db_index=True)


class Stage(models.Model):
    rollout = models.ForeignKey(Rollout, on_delete=models.CASCADE, related_name="stages")
    number = models.PositiveSmallIntegerField()
    share_ratio = models.FloatField()
    """Cumulative: by the end of this stage, so much of the whole."""
    state = models.CharField(max_length=20, choices=StageState.choices, default=StageState.WAITING)
    started_at = models.DateTimeField(null=True)
    soak_since = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["rollout", "number"], name="stage_once")]
        ordering = ["number"]


class Target(models.Model):
    """One device in one rollout."""

    rollout = models.ForeignKey(Rollout, on_delete=models.CASCADE, related_name="targets")
    stage = models.ForeignKey(Stage, on_delete=models.CASCADE, related_name="targets")
    device = models.ForeignKey(Device, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=20, choices=TargetState.choices, default=TargetState.PENDING)
    reason = models.CharField(max_length=200, blank=True)
    return_digest = models.CharField(max_length=64, null=True)  # noqa: DJ001
    """What the device ran before, and runs again when the rollout is taken back."""
    evidence = models.JSONField(default=dict)
    offered_at = models.DateTimeField(null=True)
    last_step_id = models.BigIntegerField(default=0)
    """Up to here the device's update steps were read. One device's steps are stored in order, so nothing is skipped."""
    changed_at = models.DateTimeField(null=True)
    confirmed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["rollout", "device"], name="target_once")]
        indexes = [models.Index(fields=["device", "state"])]


class GateEvaluation(models.Model):
    """One judgement of one gate, with all it saw: it can be replayed from this row alone."""

    stage = models.ForeignKey(Stage, on_delete=models.CASCADE, related_name="evaluations")
    at = models.DateTimeField()
    verdict = models.CharField(max_length=20)
    rule = models.CharField(max_length=60, blank=True)
    reason = models.CharField(max_length=300)
    facts = models.JSONField()
    limits = models.JSONField()


class RolloutEvent(models.Model):
    """The rollout's diary, in sentences for people."""

    rollout = models.ForeignKey(Rollout, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField()
    text = models.CharField(max_length=500)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")


class Desired(models.Model):
    """What one device should run now, and which target says so."""

    device = models.OneToOneField(Device, primary_key=True, on_delete=models.CASCADE, related_name="+")
    version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, null=True, related_name="+")
    target = models.ForeignKey(Target, on_delete=models.SET_NULL, null=True, related_name="+")
    changed_at = models.DateTimeField()
