from django.urls import URLPattern, path

from apps.telemetry.api import WindowListApi

app_name = "telemetry"
urlpatterns: list[URLPattern] = []
api: list[URLPattern] = [path("windows/", WindowListApi.as_view(), name="window_list")]
