from django.urls import URLPattern, path

from apps.datasets import views
from apps.datasets.api import DatasetListApi

app_name = "datasets"
urlpatterns: list[URLPattern] = [
    path("", views.dataset_list, name="list"),
    path("live/", views.dataset_list_live, name="list_live"),
    path("<int:pk>/", views.dataset_detail, name="detail"),
    path("<int:pk>/summary/", views.dataset_summary, name="summary"),
    path("<int:pk>/freeze/", views.dataset_freeze, name="freeze"),
    path("images/<int:pk>/", views.image, name="image"),
    path("images/<int:pk>/thumbnail/", views.image_thumbnail, name="thumbnail"),
]
api: list[URLPattern] = [path("datasets/", DatasetListApi.as_view(), name="dataset_list")]
