from typing import cast

import django_filters
from django.db.models import QuerySet
from rest_framework.generics import ListAPIView

from apps.accounts.models import User
from apps.alerts.models import Alert
from apps.alerts.selectors import alerts_seen_by
from apps.alerts.serializers import AlertOutput
from apps.alerts.states import AlertState


class AlertFilter(django_filters.FilterSet):  # type: ignore[misc]  # the package has no types
    state = django_filters.ChoiceFilter(choices=AlertState.choices)
    device = django_filters.CharFilter(field_name="device__name")

    class Meta:
        model = Alert
        fields: list[str] = []


class AlertListApi(ListAPIView[Alert]):
    """The alerts at the caller's sites, newest first."""

    serializer_class = AlertOutput
    filterset_class = AlertFilter
    queryset = Alert.objects.none()  # what the schema reads; requests are answered from get_queryset

    def get_queryset(self) -> QuerySet[Alert]:
        return alerts_seen_by(cast(User, self.request.user))
