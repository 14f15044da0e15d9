from collections import defaultdict

import pytest
from django.utils import timezone

from apps.accounts.models import User
from apps.core import files
from apps.core.errors import Wrong
from apps.datasets import selectors, services
from apps.datasets.states import ImportState, Split
from tests.factories.datasets import DatasetFactory, ImageFactory, frozen, png

pytestmark = pytest.mark.django_db


def review(sha256, *, label="defect", flag_id=1, dataset_id=None):
    return services.review_label_add(
        sha256=sha256, label=label, by=None, flag_id=flag_id, now=timezone.now(), dataset_id=dataset_id
    )


def test_a_frozen_version_is_disjoint_and_stratified():
    version = frozen(good=40, defect=20)
    counts = {one.split: one.counts for one in selectors.split_counts(version)}
    assert sum(sum(one) for one in counts.values()) == 60
    assert counts[Split.TRAIN] == (22, 11)
    assert counts[Split.GATE] == (6, 3)
    seen = [member.sha256 for split in Split for member in selectors.split(version.pk, split)]
    assert len(seen) == len(set(seen)) == 60


def test_freezing_again_without_a_change_gives_the_same_version():
    version = frozen()
    again = services.version_freeze(dataset_id=version.dataset_id, seed=1, now=timezone.now())
    assert again == version


def test_a_group_of_near_duplicates_is_not_torn():
    dataset = DatasetFactory()
    for n in range(12):
        ImageFactory(dataset=dataset, group=f"pair {n // 3}")
    version = frozen(dataset)
    splits = defaultdict(set)
    for split in Split:
        for member in selectors.split(version.pk, split):
            splits[member.group].add(split)
    assert all(len(found) == 1 for found in splits.values())


def test_a_sealed_image_stays_sealed_in_later_versions():
    first = frozen()
    gate = {member.sha256 for member in selectors.split(first.pk, Split.GATE)}
    for _ in range(20):
        ImageFactory(dataset=first.dataset)
    second = services.version_freeze(dataset_id=first.dataset_id, seed=99, now=timezone.now())
    assert second.number == 2
    assert gate <= {member.sha256 for member in selectors.split(second.pk, Split.GATE)}


def test_a_reviewed_image_leaves_the_replay_pool_and_is_learned_from_next_time():
    version = frozen()
    image = selectors.replay_pool(version.pk)[0]
    review(image.sha256)
    assert image not in selectors.replay_pool(version.pk)

    following = services.version_freeze(dataset_id=version.dataset_id, seed=1, now=timezone.now())
    trained = {member.sha256: member.label for member in selectors.split(following.pk, Split.TRAIN)}
    assert trained[image.sha256] == "defect"


def test_an_undone_review_gives_the_earlier_label_back():
    version = frozen()
    image = selectors.replay_pool(version.pk)[0]
    review(image.sha256, label="defect" if image.label == "good" else "good", flag_id=7)
    assert services.review_label_undo(flag_id=7) == 1
    assert image in selectors.replay_pool(version.pk)
    again = services.version_freeze(dataset_id=version.dataset_id, seed=1, now=timezone.now())
    assert again == version


def test_a_review_that_arrives_twice_labels_once():
    image = ImageFactory()
    user = User.objects.create(username="qa")
    first, second = (
        services.review_label_add(sha256=image.sha256, label="defect", by=user, flag_id=3, now=timezone.now())
        for _ in range(2)
    )
    assert first == second
    assert image.labels.count() == 2


def test_an_image_that_only_a_device_saw_joins_the_data_set():
    dataset = DatasetFactory()
    sha256 = files.store(png(77_777, side_px=64))
    label = review(sha256, dataset_id=dataset.pk)
    assert (label.image.dataset, label.image.width_px, label.label) == (dataset, 64, "defect")


def test_a_near_duplicate_from_a_device_joins_the_group():
    dataset = DatasetFactory()
    first = review(files.store(png(5)), dataset_id=dataset.pk)
    second = review(files.store(png(5) + b"IEND"), flag_id=2, dataset_id=dataset.pk)
    assert first.image != second.image
    assert first.image.group == second.image.group


def test_a_review_of_an_image_that_nobody_has_labels_nothing():
    DatasetFactory()
    assert review("0" * 64) is None
    assert review(files.store(b"no picture")) is None


def test_a_class_that_the_data_set_does_not_have_is_refused():
    image = ImageFactory()
    with pytest.raises(Wrong) as refusal:
        review(image.sha256, label="dent")
    assert refusal.value.code == "unknown_label"


def test_what_cannot_be_split_is_refused():
    unfinished = DatasetFactory(state=ImportState.RUNNING)
    with pytest.raises(Wrong) as refusal:
        services.version_freeze(dataset_id=unfinished.pk, seed=1, now=timezone.now())
    assert refusal.value.code == "not_imported"
    with pytest.raises(Wrong) as refusal:
        frozen(good=3, defect=2)
    assert refusal.value.code == "too_few_images"
    with pytest.raises(Wrong) as refusal:
        frozen(good=30, defect=0)
    assert refusal.value.code == "one_class"
