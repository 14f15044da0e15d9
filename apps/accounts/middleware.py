"""Refuses whatever the rights matrix does not allow, before the view runs. Deny by default."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render, resolve_url

from apps.accounts.rights import ANYONE, Permission, Right
from apps.accounts.selectors import may_open, right_of
from apps.accounts.services import words

Reply = Callable[[HttpRequest], HttpResponseBase]
API_PREFIX = "/api/"


class RightsMiddleware:
    def __init__(self, get_response: Reply) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self._get_response(request)

    def process_view(self, request: HttpRequest, *_view: Any) -> HttpResponseBase | None:
        """None: go on. By name, so that a URL whose row was forgotten is closed rather than open."""
        match = request.resolver_match
        name = match.view_name if match else ""
        if may_open(request.user, name):
            return None
        right = right_of(name)
        if right is not None and right != ANYONE and not request.user.is_authenticated:
            return _ask_who(request)
        return _refuse(request, right)


def wants_json(request: HttpRequest) -> bool:
    return request.path.startswith(API_PREFIX) or request.headers.get("Accept", "").startswith("application/json")


def _ask_who(request: HttpRequest) -> HttpResponse:
    if wants_json(request):
        return _json("Sign in first.", code="not_signed_in", status=401)
    if request.headers.get("HX-Request"):
        # A fragment cannot become a sign-in page: the whole page goes there.
        return HttpResponse(status=401, headers={"HX-Redirect": resolve_url(settings.LOGIN_URL)})
    return redirect_to_login(request.get_full_path(), resolve_url(settings.LOGIN_URL))


def _refuse(request: HttpRequest, right: Right | None) -> HttpResponse:
    reason = "No role may open this address."
    if isinstance(right, Permission):
        reason = f"Your roles do not include “{words(right)}”."
    if wants_json(request):
        return _json(reason, code="forbidden", status=403)
    return render(request, "403.html", {"reason": reason}, status=403)


def _json(text: str, *, code: str, status: int) -> JsonResponse:
    return JsonResponse({"error": text, "code": code, "fields": {}}, status=status)
