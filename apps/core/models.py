from django.db import models


class AuditRow(models.Model):
    """One thing that somebody did. Append-only (a trigger refuses the rest); each row's hash covers the one before."""

    at = models.DateTimeField()
    actor = models.CharField(max_length=200)
    verb = models.CharField(max_length=100)
    object = models.CharField(max_length=200)
    site_id = models.BigIntegerField(null=True)
    detail = models.JSONField(default=dict)
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64, unique=True)

    class Meta:
        indexes = [models.Index(fields=["object", "id"]), models.Index(fields=["verb", "id"])]
