import django_filters
from rest_framework.generics import ListAPIView

from apps.datasets import selectors
from apps.datasets.models import Dataset
from apps.datasets.serializers import DatasetOutput
from apps.datasets.states import ImportState


class DatasetFilter(django_filters.FilterSet):  # type: ignore[misc]  # the package has no types
    name = django_filters.CharFilter(lookup_expr="icontains")
    state = django_filters.ChoiceFilter(choices=ImportState.choices)

    class Meta:
        model = Dataset
        fields: list[str] = []


class DatasetListApi(ListAPIView[Dataset]):
    """The data sets, newest first."""

    serializer_class = DatasetOutput
    filterset_class = DatasetFilter
    queryset = selectors.datasets()
