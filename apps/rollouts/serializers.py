from rest_framework import serializers

from apps.rollouts.models import Rollout, Stage


class StageOutput(serializers.ModelSerializer[Stage]):
    class Meta:
        model = Stage
        fields = ["number", "share_ratio", "state", "started_at", "soak_since", "ended_at"]


class RolloutOutput(serializers.ModelSerializer[Rollout]):
    model = serializers.CharField(source="version.model.name")
    version = serializers.IntegerField(source="version.number")
    digest = serializers.CharField(source="version.digest")
    created_by = serializers.CharField(source="created_by.username")
    decided_by = serializers.CharField(source="decided_by.username", default=None)
    stages = StageOutput(many=True)

    class Meta:
        model = Rollout
        fields = [
            "id", "name", "model", "version", "digest", "state", "state_reason", "state_since", "plan", "content_hash",
            "is_demo", "created_by", "created_at", "decided_by", "decided_at", "started_at", "ended_at", "stages",
        ]  # fmt: skip
