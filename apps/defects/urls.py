from django.urls import URLPattern

app_name = "defects"
urlpatterns: list[URLPattern] = []
api: list[URLPattern] = []
