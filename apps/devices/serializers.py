from rest_framework import serializers

from apps.devices.models import Device


class DeviceOutput(serializers.ModelSerializer[Device]):
    line = serializers.CharField(source="line.name")
    site = serializers.CharField(source="line.site.name")

    class Meta:
        model = Device
        fields = ["id", "name", "site", "line", "state", "state_reason", "enrolled_at"]
