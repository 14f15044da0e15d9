"""The review page. It asks for images ahead, judges by key, and sends each verdict until it is answered."""

import json
from datetime import timedelta
from typing import Any, cast

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST
from rest_framework.serializers import Serializer

from apps.accounts.models import User
from apps.accounts.rights import Permission
from apps.accounts.selectors import scope
from apps.core.errors import Wrong
from apps.core.pictures import picture_reply
from apps.defects import selectors, services
from apps.defects.models import FlaggedImage
from apps.defects.selectors import Choices
from apps.defects.serializers import SkipInput, VerdictInput
from apps.defects.services import Opinion
from apps.defects.states import Answer
from edge_agent.wire.words import Verdict

AHEAD = 6
"""The image on show, and the next five."""


@require_GET
def review(request: HttpRequest) -> HttpResponse:
    context = {"verdicts": [str(verdict) for verdict in Verdict], "ahead": AHEAD, "digits": range(1, 10)}
    return render(request, "defects/review.html", _counters(request) | context)


@require_GET
def counters(request: HttpRequest) -> HttpResponse:
    return render(request, "defects/_counters.html", _counters(request))


@require_POST
def claim(request: HttpRequest) -> JsonResponse:
    """Lease the next images to this person, and lease on what they hold."""
    flags = services.reviews_claim(by=_person(request), now=timezone.now(), count=AHEAD)
    return JsonResponse({"items": _items(flags)})


@require_POST
def verdict(request: HttpRequest) -> JsonResponse:
    given = _read(request, VerdictInput)
    opinion = Opinion(given["uuid"], Answer(given["answer"]), given["label"], given["note"], given["seconds"])
    row = services.review_record(flag_id=given["flag"], by=_person(request), opinion=opinion, now=timezone.now())
    return JsonResponse({"uuid": str(row.uuid), "is_deciding": row.is_deciding})


@require_POST
def skip(request: HttpRequest) -> JsonResponse:
    services.review_skip(flag_id=_read(request, SkipInput)["flag"], by=_person(request), now=timezone.now())
    return JsonResponse({})


@require_POST
def undo(request: HttpRequest) -> JsonResponse:
    flag = services.review_undo(by=_person(request), now=timezone.now())
    return JsonResponse({"item": _items([flag])[0] if flag else None})


@require_GET
def image(request: HttpRequest, pk: int) -> HttpResponse:
    return picture_reply(selectors.flag_seen_by(_person(request), pk).sha256)


def _person(request: HttpRequest) -> User:
    # The rights middleware let only signed-in people come here.
    return cast(User, request.user)


def _read(request: HttpRequest, shape: type[Serializer[None]]) -> dict[str, Any]:
    """The request's JSON, checked. Raises Wrong with a sentence per field."""
    try:
        body = json.loads(request.body)
    except ValueError as exc:
        raise Wrong("The request is not JSON.", code="invalid") from exc
    given = shape(data=body)
    if not given.is_valid():
        fields = {str(name): " ".join(map(str, texts)) for name, texts in given.errors.items()}
        raise Wrong("The request is not valid.", code="invalid", fields=fields)
    return dict(given.validated_data)


def _items(flags: list[FlaggedImage]) -> list[dict[str, Any]]:
    choices = selectors.choices_of(flags)
    return [_item(flag, choices[flag.pk]) for flag in flags]


def _item(flag: FlaggedImage, choices: Choices) -> dict[str, Any]:
    """What the page shows of one image. Why it was flagged is left out: samples stay unmarked."""
    line = flag.device.line
    return {
        "id": flag.pk,
        "image": reverse("defects:image", args=[flag.pk]),
        "verdict": flag.verdict,
        "label": flag.label,
        "score": flag.score_ratio,
        "threshold": flag.threshold_ratio,
        "classes": list(choices.defects),
        "where": f"{line.site.name} · {line.name} · {flag.device.name}",
        "item": flag.item,
        "product": " · ".join(filter(None, (flag.product, flag.lot))),
        "at": flag.at.isoformat(),
        "zone": line.site.time_zone,
    }


def _counters(request: HttpRequest) -> dict[str, Any]:
    now = timezone.now()
    queue = selectors.review_queue(scope(_person(request), Permission.REVIEW), now)
    pace = selectors.pace(_person(request), now)
    left_count = queue.waiting_count + queue.claimed_count
    seconds = (pace.seconds_per_verdict or 0) * left_count
    done_at = now + timedelta(seconds=seconds) if seconds else None
    return {"queue": queue, "pace": pace, "left_count": left_count, "done_at": done_at}
