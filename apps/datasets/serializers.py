from rest_framework import serializers

from apps.datasets.models import Dataset


class DatasetOutput(serializers.ModelSerializer[Dataset]):
    image_count = serializers.IntegerField(read_only=True)
    version_count = serializers.IntegerField(read_only=True)

    class Meta:
        model = Dataset
        fields = (
            "id",
            "name",
            "source",
            "licence",
            "labels",
            "state",
            "image_count",
            "version_count",
            "created_at",
        )
