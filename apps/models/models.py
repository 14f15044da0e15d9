from django.conf import settings
from django.db import models

from apps.datasets.models import DatasetVersion
from apps.models.states import RunKind, RunState, VersionState


class InspectionModel(models.Model):
    """A named line of versions, e.g. `cells`."""

    name = models.SlugField(max_length=60, unique=True)
    task = models.CharField(max_length=40, default="classification")
    created_at = models.DateTimeField(auto_now_add=True)


class Run(models.Model):
    """One piece of long work. The row is the truth; a task only carries it."""

    kind = models.CharField(max_length=20, choices=RunKind.choices)
    model = models.ForeignKey(InspectionModel, on_delete=models.PROTECT, related_name="runs")
    dataset_version = models.ForeignKey(DatasetVersion, on_delete=models.PROTECT, null=True, related_name="+")
    recipe = models.CharField(max_length=60)
    parameters = models.JSONField(default=dict)
    seed = models.PositiveIntegerField(default=0)
    state = models.CharField(max_length=20, choices=RunState.choices, default=RunState.QUEUED)
    progress = models.JSONField(default=dict)
    """`stage`, `step`, `of`, `loss`, `eta_s`."""
    curve = models.JSONField(default=list)
    """Points of the learning curve: `step`, `loss`, and `validation_loss` where measured."""
    metrics = models.JSONField(default=dict)
    error = models.TextField(blank=True)
    is_cancel_wanted = models.BooleanField(default=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    next_look_at = models.DateTimeField(null=True, db_index=True)
    """When the reconciler looks again: a running worker moves it ahead; past due means the worker died."""
    attempt_count = models.PositiveSmallIntegerField(default=0)


class ModelVersion(models.Model):
    """One package: what a device may run. `digest` is the SHA-256 of the package and its name everywhere."""

    model = models.ForeignKey(InspectionModel, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=20, choices=VersionState.choices, default=VersionState.UPLOADED)
    digest = models.CharField(max_length=64, unique=True)
    size_bytes = models.BigIntegerField()
    manifest = models.JSONField()
    metrics = models.JSONField(default=dict)
    """Sealed gate figures: accuracy, defects caught, false rejects, each with its interval and counts."""
    run = models.ForeignKey(Run, on_delete=models.SET_NULL, null=True, related_name="versions")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    approved_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    approved_at = models.DateTimeField(null=True)
    published_at = models.DateTimeField(null=True)
    state_reason = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["model", "number"], name="model_version_once")]
