from django.urls import path

from apps.defects import views
from apps.defects.api import FlagListApi

app_name = "defects"
urlpatterns = [
    path("", views.review, name="review"),
    path("counters/", views.counters, name="counters"),
    path("claim/", views.claim, name="claim"),
    path("verdict/", views.verdict, name="verdict"),
    path("skip/", views.skip, name="skip"),
    path("undo/", views.undo, name="undo"),
    path("image/<int:pk>/", views.image, name="image"),
]
api = [path("flags/", FlagListApi.as_view(), name="flag_list")]
