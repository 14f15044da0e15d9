from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, F, OuterRef, QuerySet, Subquery

from apps.datasets.models import Dataset, DatasetVersion, Image, Label, Member
from apps.datasets.states import Split

REVIEW_SOURCE = "review:"
"""How the `source` of a label that came from a review begins."""


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """An image with the label that holds now."""

    id: int
    sha256: str
    group: str
    label: str


@dataclass(frozen=True, slots=True)
class MemberFacts:
    """One image of a frozen version, with the label frozen with it."""

    sha256: str
    label: str
    group: str
    width_px: int
    height_px: int


@dataclass(frozen=True, slots=True)
class SplitCount:
    """How many images of each class a split holds, in the order of the data set's labels."""

    split: Split
    total: int
    counts: tuple[int, ...]


def with_label(images: QuerySet[Image]) -> QuerySet[Any]:
    """Annotate `current_label`: the latest label of each image."""
    latest = Label.objects.filter(image=OuterRef("pk")).order_by("-at", "-id").values("label")[:1]
    return images.annotate(current_label=Subquery(latest))


def labelled_images(dataset_id: int) -> list[LabelledImage]:
    """All images whose current label is a class of the data set, in the order of their content's hash."""
    dataset = Dataset.objects.get(pk=dataset_id)
    rows = with_label(dataset.images.all()).filter(current_label__in=dataset.labels).order_by("sha256")
    return [LabelledImage(*row) for row in rows.values_list("id", "sha256", "group", "current_label")]


def splits_kept(dataset_id: int) -> dict[str, Split]:
    """The split of each group in the newest version; a replay group with a reviewed image belongs to training now."""
    last = DatasetVersion.objects.filter(dataset_id=dataset_id).order_by("-number").first()
    if last is None:
        return {}
    rows = last.members.order_by("image__sha256").values_list("image__group", "split")
    kept: dict[str, Split] = {}
    for group, split in rows:
        # Groups that were joined since may have members in two splits: the sealed gate wins, then the first.
        if kept.get(group) != Split.GATE:
            kept[group] = Split(split) if group not in kept or split == Split.GATE else kept[group]
    reviewed = _reviewed(last.members.filter(split=Split.REPLAY)).values_list("image__group", flat=True)
    return kept | {group: Split.TRAIN for group in reviewed if kept[group] == Split.REPLAY}


def split(version_id: int, which: Split) -> list[MemberFacts]:
    """The members of one split, in the order of their content's hash."""
    return _facts(Member.objects.filter(version_id=version_id, split=which))


def replay_pool(version_id: int) -> list[MemberFacts]:
    """What demo cameras may show: the replay split, without the images that somebody has reviewed."""
    members = Member.objects.filter(version_id=version_id, split=Split.REPLAY)
    return _facts(members.exclude(pk__in=_reviewed(members).values("pk")))


def datasets() -> QuerySet[Any]:
    """All data sets, newest first, with `image_count` and `version_count`."""
    return Dataset.objects.annotate(
        image_count=Count("images", distinct=True), version_count=Count("versions", distinct=True)
    ).order_by("-id")


def newest_version(dataset_id: int) -> DatasetVersion | None:
    return DatasetVersion.objects.filter(dataset_id=dataset_id).order_by("-number").first()


def split_counts(version: DatasetVersion) -> list[SplitCount]:
    rows = version.members.values("split", "label").annotate(count=Count("id"))
    counts = {(row["split"], row["label"]): row["count"] for row in rows}
    return [_split_count(which, version.dataset.labels, counts) for which in Split]


def label_counts(dataset: Dataset) -> dict[str, int]:
    """How many images of each class there are now, in the order of the data set's labels."""
    rows = with_label(dataset.images.all()).values("current_label").annotate(count=Count("id")).order_by()
    counts = {row["current_label"]: row["count"] for row in rows}
    return {label: counts.get(label, 0) for label in dataset.labels}


def review_count(dataset_id: int) -> int:
    """How many labels came back from reviews."""
    return Label.objects.filter(image__dataset_id=dataset_id, source__startswith=REVIEW_SOURCE).count()


def group_count(dataset_id: int) -> int:
    """How many groups of images there are when near-duplicates count as one."""
    return Image.objects.filter(dataset_id=dataset_id).values("group").distinct().count()


def images_page(dataset_id: int, *, label: str = "", which: str = "") -> QuerySet[Any]:
    """Images for the gallery with `current_label`, narrowed to a class, and to a split of the newest version."""
    images = with_label(Image.objects.filter(dataset_id=dataset_id)).order_by("sha256")
    if label:
        images = images.filter(current_label=label)
    if which:
        version = newest_version(dataset_id)
        images = images.filter(pk__in=Member.objects.filter(version=version, split=which).values("image_id"))
    return images


def _split_count(which: Split, labels: Iterable[str], counts: dict[tuple[str, str], int]) -> SplitCount:
    by_label = tuple(counts.get((which, label), 0) for label in labels)
    return SplitCount(split=which, total=sum(by_label), counts=by_label)


def _reviewed(members: QuerySet[Member]) -> QuerySet[Member]:
    return members.filter(image__labels__source__startswith=REVIEW_SOURCE)


def _facts(members: QuerySet[Member]) -> list[MemberFacts]:
    rows = members.order_by("image__sha256").values_list(
        F("image__sha256"), "label", F("image__group"), F("image__width_px"), F("image__height_px")
    )
    return [MemberFacts(*row) for row in rows]
