from rest_framework import serializers

from apps.models.models import ModelVersion


class VersionOutput(serializers.Serializer[ModelVersion]):
    """A model version. `metrics` are the sealed gate's figures, empty for an uploaded one."""

    id = serializers.IntegerField()
    model = serializers.CharField(source="model.name")
    number = serializers.IntegerField()
    state = serializers.CharField()
    digest = serializers.CharField()
    size_bytes = serializers.IntegerField()
    metrics = serializers.JSONField()
    created_at = serializers.DateTimeField()
    approved_at = serializers.DateTimeField(allow_null=True)
    published_at = serializers.DateTimeField(allow_null=True)
