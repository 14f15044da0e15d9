"""People's verdicts come back as labels."""

import logging
from datetime import datetime

from django.db import transaction

from apps.accounts.models import User
from apps.core import files
from apps.core.doorbell import ring
from apps.core.errors import Wrong
from apps.datasets.events import DatasetChanged
from apps.datasets.models import Dataset, Image, Label
from apps.datasets.perceptual import CLOSE_BITS, perceptual_hash
from apps.datasets.selectors import REVIEW_SOURCE
from apps.datasets.states import ImportState
from edge_agent.contract.preprocessing import NotAnImage, decode

logger = logging.getLogger(__name__)


@transaction.atomic
def review_label_add(
    *, sha256: str, label: str, by: User | None, flag_id: int, now: datetime, dataset_id: int | None = None
) -> Label | None:
    """Label the image with this content as its reviewer did; a second call for the same flag changes nothing.

    An image that no data set has is added to `dataset_id` (None: the newest one) from the kept files. Returns None
    when nothing holds this content, or there is no data set. Raises Wrong(unknown_label).
    """
    image = _image_known(sha256, dataset_id) or _image_add(sha256, dataset_id, flag_id)
    if image is None:
        return None
    if label not in image.dataset.labels:
        raise Wrong(f"{image.dataset.name} has no class {label}.", code="unknown_label")
    source = f"{REVIEW_SOURCE}{flag_id}"
    last = image.labels.filter(source=source).order_by("-at", "-id").first()
    if last and last.label == label:
        return last
    row = Label.objects.create(image=image, label=label, at=now, by=by, source=source)
    ring(DatasetChanged(image.dataset_id))
    return row


@transaction.atomic
def review_label_undo(*, flag_id: int) -> int:
    """Take back what this flag's review labelled, so that the label before it holds again. Returns how many went."""
    labels = Label.objects.filter(source=f"{REVIEW_SOURCE}{flag_id}")
    for dataset_id in labels.values_list("image__dataset_id", flat=True).distinct():
        ring(DatasetChanged(dataset_id))
    count, _ = labels.delete()
    return count


def _image_known(sha256: str, dataset_id: int | None) -> Image | None:
    images = Image.objects.select_related("dataset").filter(sha256=sha256)
    if dataset_id is not None:
        images = images.filter(dataset_id=dataset_id)
    return images.order_by("-dataset_id").first()


def _image_add(sha256: str, dataset_id: int | None, flag_id: int) -> Image | None:
    dataset = _dataset_for_new(dataset_id)
    if dataset is None or not files.exists(sha256):
        return None
    try:
        pixels = decode(files.read(sha256))
    except NotAnImage as exc:
        logger.warning("review_image_refused sha256=%s reason=%s", sha256, exc)
        return None
    hash_hex = perceptual_hash(pixels)
    height_px, width_px = pixels.shape[:2]
    return Image.objects.create(
        dataset=dataset,
        sha256=sha256,
        source=f"{REVIEW_SOURCE}{flag_id}",
        width_px=width_px,
        height_px=height_px,
        group=_group_of(dataset, hash_hex) or sha256,
        perceptual_hash=hash_hex,
    )


def _dataset_for_new(dataset_id: int | None) -> Dataset | None:
    datasets = Dataset.objects.filter(state=ImportState.SUCCEEDED)
    if dataset_id is not None:
        datasets = datasets.filter(pk=dataset_id)
    return datasets.order_by("-id").first()


def _group_of(dataset: Dataset, hash_hex: str) -> str | None:
    """The group of the images that look the same; when they are of several groups, those become one."""
    mine = int(hash_hex, 16)
    known = dataset.images.values_list("perceptual_hash", "group")
    close = {group for other, group in known if (mine ^ int(other, 16)).bit_count() <= CLOSE_BITS}
    if not close:
        return None
    first, *rest = sorted(close)
    dataset.images.filter(group__in=rest).update(group=first)
    return first
