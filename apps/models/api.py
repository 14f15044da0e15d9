import django_filters
from rest_framework.generics import ListAPIView

from apps.models import selectors
from apps.models.models import ModelVersion
from apps.models.serializers import VersionOutput
from apps.models.states import VersionState


class VersionFilter(django_filters.FilterSet):  # type: ignore[misc]  # the package has no types
    model = django_filters.CharFilter(field_name="model__name")
    state = django_filters.ChoiceFilter(choices=VersionState.choices)
    digest = django_filters.CharFilter()

    class Meta:
        model = ModelVersion
        fields: list[str] = []


class VersionListApi(ListAPIView[ModelVersion]):
    """The model versions, newest first."""

    serializer_class = VersionOutput
    filterset_class = VersionFilter
    queryset = selectors.versions()
