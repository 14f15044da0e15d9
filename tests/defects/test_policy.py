from hypothesis import given
from hypothesis import strategies as st

from apps.defects.policy import NO_SCORE_RANK, rank

RATIO = st.floats(0, 1)


def place(score, threshold=0.4, reason="low_confidence", sha256="7" * 64):
    return rank(score_ratio=score, threshold_ratio=threshold, reason=reason, sha256=sha256)


@given(RATIO, st.floats(0.01, 0.99), st.sampled_from(["low_confidence", "random_sample", "requested"]))
def test_a_rank_lies_between_nought_and_one(score, threshold, reason):
    assert 0 <= place(score, threshold, reason) <= 1


def test_the_less_certain_verdict_comes_first():
    assert place(0.4) > place(0.45) > place(0.9)
    assert place(0.4) == 1.0


def test_an_item_that_could_not_be_judged_is_nearly_first():
    assert place(None) == NO_SCORE_RANK


def test_a_random_sample_hides_at_a_place_that_its_content_decides():
    early, late = (place(0.01, reason="random_sample", sha256=first * 64) for first in "f0")
    assert (early, late) == (1.0, 0.0)
    assert place(0.99, reason="random_sample", sha256="f" * 64) == early
