from django.urls import path

from apps.rollouts import views
from apps.rollouts.api import RolloutListApi

app_name = "rollouts"
urlpatterns = [
    path("", views.rollout_list, name="list"),
    path("live/", views.rollout_list_live, name="list_live"),
    path("new/", views.rollout_create, name="create"),
    path("<int:pk>/", views.rollout_detail, name="detail"),
    path("<int:pk>/live/", views.rollout_detail_live, name="detail_live"),
    path("<int:pk>/edit/", views.rollout_edit, name="edit"),
    path("<int:pk>/submit/", views.rollout_submit, name="submit"),
    path("<int:pk>/decide/", views.rollout_decide, name="decide"),
    path("<int:pk>/verb/", views.rollout_verb, name="verb"),
    path("<int:pk>/reason/", views.rollout_reason, name="reason"),
]
api = [path("rollouts/", RolloutListApi.as_view(), name="rollout_list")]
