"""A refusal is a sentence for the person who asked, never a stack trace."""

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme

from apps.core.errors import ProductError, Unavailable


class RefusalMiddleware:
    """A form that was refused leads back to its page with the reason; a page that was refused says why."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, ProductError):
            return None
        if request.headers.get("Accept", "").startswith("application/json"):
            body = {"error": exception.text, "code": exception.code, "fields": exception.fields}
            return JsonResponse(body, status=exception.status)
        back = request.headers.get("Referer", "")
        is_ours = url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure())
        if request.method == "POST" and is_ours and not request.headers.get("HX-Request"):
            messages.error(request, exception.text)
            return redirect(back)
        return _page(request, exception)


def _page(request: HttpRequest, refusal: ProductError) -> HttpResponse:
    reply = render(request, "refusal.html", {"refusal": refusal}, status=refusal.status)
    if isinstance(refusal, Unavailable):
        reply.headers["Retry-After"] = str(int(refusal.retry_after_s) or 1)
    return reply
