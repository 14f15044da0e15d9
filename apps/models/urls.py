from django.urls import URLPattern, path

from apps.models import views
from apps.models.api import VersionListApi

app_name = "models"
urlpatterns: list[URLPattern] = [
    path("", views.model_list, name="list"),
    path("live/", views.model_list_live, name="list_live"),
    path("versions/upload/", views.version_upload, name="upload"),
    path("versions/<int:pk>/", views.version_detail, name="version"),
    path("versions/<int:pk>/live/", views.version_live, name="version_live"),
    path("versions/<int:pk>/approve/", views.version_approve, name="approve"),
    path("versions/<int:pk>/withdraw/", views.version_withdraw, name="withdraw"),
    path("runs/new/", views.run_new, name="run_new"),
    path("runs/<int:pk>/", views.run_detail, name="run"),
    path("runs/<int:pk>/live/", views.run_live, name="run_live"),
    path("runs/<int:pk>/curve/", views.run_curve, name="run_curve"),
    path("runs/<int:pk>/cancel/", views.run_cancel, name="run_cancel"),
]
api: list[URLPattern] = [path("versions/", VersionListApi.as_view(), name="version_list")]
