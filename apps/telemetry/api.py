from typing import cast

import django_filters
from django.db.models import QuerySet
from rest_framework.generics import ListAPIView

from apps.accounts.models import User
from apps.accounts.rights import Permission
from apps.accounts.selectors import scope
from apps.telemetry import selectors
from apps.telemetry.models import Window
from apps.telemetry.serializers import WindowOutput


class WindowFilter(django_filters.FilterSet):  # type: ignore[misc]  # the package has no types
    device = django_filters.UUIDFilter(field_name="device_id")
    since = django_filters.IsoDateTimeFilter(field_name="start", lookup_expr="gte")
    until = django_filters.IsoDateTimeFilter(field_name="start", lookup_expr="lt")
    model_digest = django_filters.CharFilter()

    class Meta:
        model = Window
        fields: list[str] = []


class WindowListApi(ListAPIView[Window]):
    """Minute windows of the devices at the caller's sites, newest first."""

    serializer_class = WindowOutput
    filterset_class = WindowFilter
    queryset = Window.objects.none()  # what the schema reads; requests are answered from get_queryset

    def get_queryset(self) -> QuerySet[Window]:
        # The rights middleware let only signed-in people come here.
        return selectors.window_rows(scope=scope(cast(User, self.request.user), Permission.SEE_FLEET))
