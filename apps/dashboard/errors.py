"""The last page: something broke. It names an id that the log has too."""

import logging
import uuid

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

logger = logging.getLogger(__name__)


def broken(request: HttpRequest) -> HttpResponse:
    error_id = uuid.uuid4().hex[:12]
    logger.error("page_broken id=%s path=%s", error_id, request.path)
    # Without context processors: whatever broke the page may break them too.
    return HttpResponse(render_to_string("500.html", {"error_id": error_id}), status=500)
