from typing import cast

import django_filters
from django.db.models import QuerySet
from rest_framework.generics import ListAPIView

from apps.accounts.models import User
from apps.accounts.rights import Permission
from apps.accounts.selectors import scope
from apps.devices import selectors
from apps.devices.models import Device
from apps.devices.serializers import DeviceOutput
from apps.devices.states import Admission


class DeviceFilter(django_filters.FilterSet):  # type: ignore[misc]  # the package has no types
    name = django_filters.CharFilter(lookup_expr="icontains")
    site = django_filters.CharFilter(field_name="line__site__name")
    line = django_filters.CharFilter(field_name="line__name")
    state = django_filters.ChoiceFilter(choices=Admission.choices)

    class Meta:
        model = Device
        fields: list[str] = []


class DeviceListApi(ListAPIView[Device]):
    """The devices at the caller's sites, by name."""

    serializer_class = DeviceOutput
    filterset_class = DeviceFilter
    queryset = Device.objects.none()  # what the schema reads; requests are answered from get_queryset

    def get_queryset(self) -> QuerySet[Device]:
        # The rights middleware let only signed-in people come here.
        return selectors.devices(scope=scope(cast(User, self.request.user), Permission.SEE_FLEET))
