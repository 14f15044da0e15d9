from django.urls import path

from apps.alerts import views
from apps.alerts.api import AlertListApi

app_name = "alerts"
urlpatterns = [
    path("", views.alert_list, name="list"),
    path("live/", views.alert_list_live, name="list_live"),
    path("<int:pk>/acknowledge/", views.acknowledge, name="acknowledge"),
]
api = [path("alerts/", AlertListApi.as_view(), name="alert_list")]
