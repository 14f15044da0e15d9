from django.contrib.auth.views import LogoutView
from django.urls import URLPattern, path

from apps.accounts.api import MeApi
from apps.accounts.views import SignInView

app_name = "accounts"
urlpatterns: list[URLPattern] = [
    path("sign-in/", SignInView.as_view(), name="sign_in"),
    path("sign-out/", LogoutView.as_view(http_method_names=["post"]), name="sign_out"),
]
api: list[URLPattern] = [path("me/", MeApi.as_view(), name="me")]
