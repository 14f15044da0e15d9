from django.conf import settings
from django.db import models

from apps.datasets.states import ImportState, Split


class Dataset(models.Model):
    name = models.CharField(max_length=100, unique=True)
    source = models.CharField(max_length=200)
    licence = models.CharField(max_length=200, blank=True)
    labels = models.JSONField(default=list)
    """The classes in order; the first one means good."""
    state = models.CharField(max_length=20, choices=ImportState.choices, default=ImportState.RUNNING)
    progress = models.JSONField(default=dict)
    """`done`, `of`, `skipped_count`, `skipped` (the first of them: `file` and `reason`), and `error` when it failed."""
    created_at = models.DateTimeField(auto_now_add=True)


class Image(models.Model):
    """One image of one data set, named by its content."""

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="images")
    sha256 = models.CharField(max_length=64)
    source = models.CharField(max_length=300)
    width_px = models.PositiveIntegerField()
    height_px = models.PositiveIntegerField()
    group = models.CharField(max_length=64)
    """Near-duplicates share a group, and a group is never torn across splits."""
    perceptual_hash = models.CharField(max_length=64)
    defect_ratio = models.FloatField(null=True)
    """The source's own probability of a defect, where it gives one."""
    attributes = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["dataset", "sha256"], name="image_once_per_dataset")]
        indexes = [models.Index(fields=["sha256"]), models.Index(fields=["dataset", "group"])]


class Label(models.Model):
    """Who called an image what, and when; the latest one holds, none is ever changed; an undone review goes."""

    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="labels")
    label = models.CharField(max_length=100)
    at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    source = models.CharField(max_length=100)
    """`import` or `review:<flag id>`."""

    class Meta:
        indexes = [models.Index(fields=["image", "-at"])]


class DatasetVersion(models.Model):
    """A frozen state of a data set: which image, with which label, in which split. Never changes."""

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    digest = models.CharField(max_length=64)
    """SHA-256 over the members in order."""
    seed = models.PositiveIntegerField()
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["dataset", "number"], name="dataset_version_once")]


class Member(models.Model):
    """One image in one frozen version."""

    version = models.ForeignKey(DatasetVersion, on_delete=models.CASCADE, related_name="members")
    image = models.ForeignKey(Image, on_delete=models.PROTECT, related_name="+")
    label = models.CharField(max_length=100)
    split = models.CharField(max_length=20, choices=Split.choices)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["version", "image"], name="member_once")]
        indexes = [models.Index(fields=["version", "split"])]
