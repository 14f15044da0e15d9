"""One error shape and one page size for the people's API."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework import exceptions, pagination
from rest_framework.response import Response

from apps.core.errors import ProductError, Unavailable


class PageNumberPagination(pagination.PageNumberPagination):
    page_size_query_param = "page_size"
    max_page_size = 500


def error_reply(exc: Exception, _context: dict[str, Any]) -> Response | None:
    """`{"error": "<one sentence>", "code": "<word>", "fields": {...}}` for every refusal."""
    if isinstance(exc, ProductError):
        return _product_reply(exc)
    if isinstance(exc, Http404):
        exc = exceptions.NotFound()
    if isinstance(exc, PermissionDenied):
        exc = exceptions.PermissionDenied()
    if isinstance(exc, exceptions.ValidationError):
        fields = _fields(exc.detail)
        return Response({"error": "The request is not valid.", "code": "invalid", "fields": fields}, status=400)
    if isinstance(exc, exceptions.APIException):
        body = {"error": str(exc.detail), "code": exc.get_codes(), "fields": {}}
        return Response(body, status=exc.status_code, headers=_headers(exc))
    return None


def _product_reply(exc: ProductError) -> Response:
    headers = {"Retry-After": str(int(exc.retry_after_s) or 1)} if isinstance(exc, Unavailable) else {}
    return Response({"error": exc.text, "code": exc.code, "fields": exc.fields}, status=exc.status, headers=headers)


def _headers(exc: exceptions.APIException) -> dict[str, str]:
    if wait_s := getattr(exc, "wait", None):
        return {"Retry-After": str(int(wait_s) + 1)}
    return {"WWW-Authenticate": exc.auth_header} if hasattr(exc, "auth_header") else {}


def _fields(detail: Any) -> dict[str, str]:
    if isinstance(detail, dict):
        return {str(name): _sentence(value) for name, value in detail.items()}
    return {"": _sentence(detail)}


def _sentence(value: Any) -> str:
    return " ".join(str(part) for part in value) if isinstance(value, list) else str(value)
