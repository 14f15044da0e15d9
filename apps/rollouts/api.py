from typing import cast

import django_filters
from django.db.models import QuerySet
from rest_framework.generics import ListAPIView

from apps.accounts.models import User
from apps.rollouts.models import Rollout
from apps.rollouts.selectors import rollouts_seen_by
from apps.rollouts.serializers import RolloutOutput
from apps.rollouts.states import RolloutState


class RolloutFilter(django_filters.FilterSet):  # type: ignore[misc]  # the package has no types
    state = django_filters.ChoiceFilter(choices=RolloutState.choices)

    class Meta:
        model = Rollout
        fields: list[str] = []


class RolloutListApi(ListAPIView[Rollout]):
    """The rollouts that touch the caller's sites, newest first, with their stages."""

    serializer_class = RolloutOutput
    filterset_class = RolloutFilter
    queryset = Rollout.objects.none()  # what the schema reads; requests are answered from get_queryset

    def get_queryset(self) -> QuerySet[Rollout]:
        return rollouts_seen_by(cast(User, self.request.user)).prefetch_related("stages")
