from django.urls import URLPattern, path

from apps.devices.api import DeviceListApi

app_name = "devices"
urlpatterns: list[URLPattern] = []
api: list[URLPattern] = [path("devices/", DeviceListApi.as_view(), name="device_list")]
