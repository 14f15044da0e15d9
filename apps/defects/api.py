from typing import cast

import django_filters
from django.db.models import QuerySet
from rest_framework.generics import ListAPIView

from apps.accounts.models import User
from apps.defects.models import FlaggedImage
from apps.defects.selectors import flags_seen_by
from apps.defects.serializers import FlagOutput
from apps.defects.states import ReviewState


class FlagFilter(django_filters.FilterSet):  # type: ignore[misc]  # the package has no types
    state = django_filters.ChoiceFilter(choices=ReviewState.choices)
    device = django_filters.CharFilter(field_name="device__name")

    class Meta:
        model = FlaggedImage
        fields: list[str] = []


class FlagListApi(ListAPIView[FlaggedImage]):
    """The flagged images at the caller's sites, newest first. Why each was flagged stays unsaid: reviews are blind."""

    serializer_class = FlagOutput
    filterset_class = FlagFilter
    queryset = FlaggedImage.objects.none()  # what the schema reads; requests are answered from get_queryset

    def get_queryset(self) -> QuerySet[FlaggedImage]:
        return flags_seen_by(cast(User, self.request.user)).order_by("-id")
