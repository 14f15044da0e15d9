from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from apps.datasets.policy import SHARES, Candidate, splits_assign
from apps.datasets.states import Split

candidates = st.lists(
    st.builds(
        Candidate,
        sha256=st.uuids().map(lambda one: one.hex),
        label=st.sampled_from(["good", "defect", "scratch"]),
        group=st.integers(0, 40).map(str),
    ),
    unique_by=lambda one: one.sha256,
    max_size=120,
)


@given(candidates, st.integers(0, 5))
def test_every_image_gets_one_split_and_no_group_is_torn(images, seed):
    splits = splits_assign(images, seed=seed)
    assert set(splits) == {image.sha256 for image in images}
    by_group: dict[str, set[Split]] = {}
    for image in images:
        by_group.setdefault(image.group, set()).add(splits[image.sha256])
    assert all(len(found) == 1 for found in by_group.values())


@given(candidates, st.integers(0, 5), st.randoms())
def test_the_order_of_the_images_does_not_matter(images, seed, random):
    shuffled = list(images)
    random.shuffle(shuffled)
    assert splits_assign(images, seed=seed) == splits_assign(shuffled, seed=seed)


@given(candidates, st.integers(0, 5))
def test_a_decided_group_keeps_its_split(images, seed):
    kept = {image.group: Split.GATE for image in images[:5]}
    splits = splits_assign(images, seed=seed, kept=kept)
    assert all(splits[image.sha256] is Split.GATE for image in images if image.group in kept)


def singles(good: int, defect: int) -> list[Candidate]:
    return [Candidate(f"g{n}", "good", f"g{n}") for n in range(good)] + [
        Candidate(f"d{n}", "defect", f"d{n}") for n in range(defect)
    ]


def test_each_label_is_shared_out_to_within_one_image():
    images = singles(1000, 300)
    splits = splits_assign(images, seed=3)
    counts = Counter((image.label, splits[image.sha256]) for image in images)
    for label, total in (("good", 1000), ("defect", 300)):
        for split, share in SHARES.items():
            assert abs(counts[label, split] - share * total) <= 1


def test_another_seed_gives_other_splits():
    images = singles(100, 100)
    assert splits_assign(images, seed=1) != splits_assign(images, seed=2)
