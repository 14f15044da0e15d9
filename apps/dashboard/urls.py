from django.urls import URLPattern, path

from apps.dashboard import views

app_name = "dashboard"
urlpatterns: list[URLPattern] = [
    path("", views.overview, name="overview"),
    path("navigation/", views.nav_entries, name="nav_entries"),
]
