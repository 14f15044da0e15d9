from rest_framework import serializers

from apps.telemetry.models import Window


class WindowOutput(serializers.ModelSerializer[Window]):
    """One minute of one line, as the device summed it."""

    device = serializers.CharField(source="device.name")
    device_id = serializers.UUIDField()
    site = serializers.CharField(source="device.line.site.name")

    class Meta:
        model = Window
        fields = [
            "device_id",
            "device",
            "site",
            "line",
            "start",
            "duration_s",
            "model_digest",
            "verdict_counts",
            "label_counts",
            "low_confidence_count",
            "late_count",
            "error_count",
            "backlog_count",
        ]
