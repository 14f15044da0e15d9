from typing import Any, cast

import cv2
import numpy as np
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from apps.accounts.models import User
from apps.accounts.rights import Permission
from apps.accounts.selectors import may
from apps.core import files
from apps.core.errors import Wrong
from apps.datasets import selectors, services
from apps.datasets.models import Dataset, Image
from apps.datasets.states import ImportState, Split
from edge_agent.contract.preprocessing import decode

PAGE_IMAGES = 60
THUMBNAIL_PX = 160
YEAR_S = 365 * 24 * 3600


@require_GET
def dataset_list(request: HttpRequest) -> HttpResponse:
    return render(request, "datasets/list.html", _list_context())


@require_GET
def dataset_list_live(request: HttpRequest) -> HttpResponse:
    return render(request, "datasets/_list.html", _list_context())


@require_GET
def dataset_detail(request: HttpRequest, pk: int) -> HttpResponse:
    dataset = get_object_or_404(Dataset, pk=pk)
    label = request.GET.get("label", "")
    which = request.GET.get("split", "")
    may_see = may(request.user, Permission.SEE_IMAGES)
    images = selectors.images_page(pk, label=label, which=which) if may_see else Image.objects.none()
    context = {
        "page": Paginator(images, PAGE_IMAGES).get_page(request.GET.get("page")),
        "label": label,
        "split": which,
        "splits": Split.choices,
        "may_see_images": may_see,
    }
    return render(request, "datasets/detail.html", {**_summary_context(request, dataset), **context})


@require_GET
def dataset_summary(request: HttpRequest, pk: int) -> HttpResponse:
    dataset = get_object_or_404(Dataset, pk=pk)
    return render(request, "datasets/_summary.html", _summary_context(request, dataset))


@require_POST
def dataset_freeze(request: HttpRequest, pk: int) -> HttpResponse:
    last = selectors.newest_version(pk)
    try:
        # The seed of the version before: without a new image or label, freezing again gives the same version.
        version = services.version_freeze(dataset_id=pk, seed=last.seed if last else pk, now=timezone.now())
    except Wrong as exc:
        messages.error(request, exc.text)
    else:
        is_same = last is not None and last.pk == version.pk
        messages.success(request, f"Version {version.number} {'holds all of it already' if is_same else 'is frozen'}.")
    return redirect("datasets:detail", pk=pk)


@require_GET
def image(_request: HttpRequest, pk: int) -> HttpResponse:
    """The file as it came in."""
    content = _content(pk)
    kind = "image/png" if content.startswith(b"\x89PNG") else "image/jpeg" if content[:1] == b"\xff" else "image/bmp"
    return _picture(content, kind)


@require_GET
def image_thumbnail(_request: HttpRequest, pk: int) -> HttpResponse:
    """Decoded and encoded anew: whatever else was in the file does not reach a browser."""
    pixels = decode(_content(pk))
    scale = THUMBNAIL_PX / max(pixels.shape[:2])
    if scale < 1:
        pixels = np.asarray(cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    _, encoded = cv2.imencode(".jpg", pixels)
    return _picture(encoded.tobytes(), "image/jpeg")


def _content(pk: int) -> bytes:
    row = get_object_or_404(Image, pk=pk)
    if not files.exists(row.sha256):
        raise Http404("The file of this image is missing.")
    return files.read(row.sha256)


def _picture(content: bytes, content_type: str) -> HttpResponse:
    """A picture and nothing else: never run, never guessed, kept by this person's browser alone."""
    return HttpResponse(
        content,
        content_type=content_type,
        headers={
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": f"private, max-age={YEAR_S}, immutable",
        },
    )


def _list_context() -> dict[str, Any]:
    return {"datasets": list(selectors.datasets())}


def _summary_context(request: HttpRequest, dataset: Dataset) -> dict[str, Any]:
    version = selectors.newest_version(dataset.pk)
    return {
        "dataset": dataset,
        "label_counts": selectors.label_counts(dataset),
        "group_count": selectors.group_count(dataset.pk),
        "review_count": selectors.review_count(dataset.pk),
        "version": version,
        "split_counts": selectors.split_counts(version) if version else [],
        "freeze_blocked": _freeze_blocked(cast(User, request.user), dataset),
        "now": timezone.now(),
    }


def _freeze_blocked(user: User, dataset: Dataset) -> str:
    """Why the button is disabled; empty when it is not."""
    if not may(user, Permission.EDIT_DATA):
        return "Your roles do not include “edit data”."
    return "" if dataset.state == ImportState.SUCCEEDED else "The import has not succeeded yet."
