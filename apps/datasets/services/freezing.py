"""Freezing: which image, with which label, in which split; never changed afterwards."""

import hashlib
import logging
from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.db.models import Max

from apps.core.doorbell import ring
from apps.core.errors import NotFound, Wrong
from apps.datasets import selectors
from apps.datasets.events import DatasetChanged
from apps.datasets.models import Dataset, DatasetVersion, Member
from apps.datasets.policy import Candidate, splits_assign
from apps.datasets.states import ImportState

logger = logging.getLogger(__name__)

IMAGES_MIN = 20
"""Below this a split would be empty."""


@transaction.atomic
def version_freeze(*, dataset_id: int, seed: int, now: datetime) -> DatasetVersion:
    """Freeze the data set as it is labelled now, in five disjoint splits; groups of near-duplicates stay whole.

    An image keeps the split that it had in the version before, so that the sealed gate stays sealed; only groups with
    a reviewed replay image move to training. Without a new image or label, the last version itself is returned when
    it has the same seed. Raises NotFound, Wrong(not_imported), Wrong(too_few_images).
    """
    dataset = Dataset.objects.select_for_update().filter(pk=dataset_id).first()
    if dataset is None:
        raise NotFound("There is no such data set.")
    if dataset.state != ImportState.SUCCEEDED:
        raise Wrong("The import has not succeeded yet.", code="not_imported")
    images = selectors.labelled_images(dataset_id)
    _require_enough(images)
    splits = splits_assign(
        [Candidate(image.sha256, image.label, image.group) for image in images],
        seed=seed,
        kept=selectors.splits_kept(dataset_id),
    )
    digest = members_digest((image.sha256, image.label, splits[image.sha256]) for image in images)
    if same := _same_version(dataset, digest, seed):
        return same
    version = _version_create(dataset, digest=digest, seed=seed, now=now)
    Member.objects.bulk_create(
        (Member(version=version, image_id=one.id, label=one.label, split=splits[one.sha256]) for one in images),
        batch_size=1000,
    )
    return version


def members_digest(members: Iterable[tuple[str, str, str]]) -> str:
    """SHA-256 over `sha256 split label` lines in the order of sha256."""
    lines = sorted(f"{sha256} {split} {label}\n" for sha256, label, split in members)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _require_enough(images: list[selectors.LabelledImage]) -> None:
    if len(images) < IMAGES_MIN:
        raise Wrong(f"{len(images)} labelled images; at least {IMAGES_MIN} are needed.", code="too_few_images")
    if len({image.label for image in images}) < 2:
        raise Wrong("All images have the same label; at least two classes are needed.", code="one_class")


def _same_version(dataset: Dataset, digest: str, seed: int) -> DatasetVersion | None:
    last = dataset.versions.order_by("-number").first()
    return last if last and (last.digest, last.seed) == (digest, seed) else None


def _version_create(dataset: Dataset, *, digest: str, seed: int, now: datetime) -> DatasetVersion:
    last = dataset.versions.aggregate(last=Max("number"))["last"] or 0
    version = DatasetVersion.objects.create(dataset=dataset, number=last + 1, digest=digest, seed=seed, created_at=now)
    ring(DatasetChanged(dataset.pk))
    logger.info("version_frozen dataset=%s number=%s digest=%s", dataset.pk, version.number, digest)
    return version
