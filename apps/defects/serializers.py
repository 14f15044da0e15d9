from rest_framework import serializers

from apps.defects.models import FlaggedImage
from apps.defects.states import Answer


class FlagOutput(serializers.ModelSerializer[FlaggedImage]):
    device = serializers.CharField(source="device.name")
    site = serializers.CharField(source="device.line.site.name")

    class Meta:
        model = FlaggedImage
        fields = [
            "id", "device", "site", "line", "item", "product", "lot", "at", "arrived_at", "state", "verdict",
            "label", "score_ratio", "threshold_ratio", "model_digest", "selection_ratio", "sha256",
        ]  # fmt: skip


class VerdictInput(serializers.Serializer[None]):
    """One verdict as the review page sends it; sent again until it is answered, always with the same uuid."""

    flag = serializers.IntegerField(min_value=1)
    uuid = serializers.UUIDField()
    answer = serializers.ChoiceField(choices=Answer.choices)
    # The field takes the place of DRF's own attribute of this name.
    label = serializers.CharField(max_length=100, allow_blank=True, default="")  # type: ignore[assignment]
    note = serializers.CharField(max_length=500, allow_blank=True, default="")
    seconds = serializers.FloatField(min_value=0, max_value=86_400, allow_null=True, default=None)


class SkipInput(serializers.Serializer[None]):
    flag = serializers.IntegerField(min_value=1)
