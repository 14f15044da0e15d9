from rest_framework import serializers

from apps.alerts.models import Alert


class AlertOutput(serializers.ModelSerializer[Alert]):
    rule = serializers.CharField(source="rule.kind")
    device = serializers.CharField(source="device.name")
    device_id = serializers.UUIDField()
    site = serializers.CharField(source="device.line.site.name")
    acknowledged_by = serializers.CharField(source="acknowledged_by.username", default=None)

    class Meta:
        model = Alert
        fields = [
            "id", "rule", "device", "device_id", "site", "state", "value", "limit", "opened_at",
            "acknowledged_by", "acknowledged_at", "resolved_at", "resolution", "note",
        ]  # fmt: skip
