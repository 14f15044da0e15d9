"""What becomes of a score, and which images people get to see."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.contract.decision import is_low_confidence, verdict_of
from edge_agent.contract.sampling import HOUR_S, ImageBudget, JudgedItem, SamplingPolicy, draw, random_ratio, select
from edge_agent.wire.words import CannotJudge, FlagReason, Verdict


def policy(**changes):
    given_values = {"low_confidence_band_ratio": 0.1, "random_sample_ratio": 0.02, "images_per_hour": 600}
    return SamplingPolicy(**{**given_values, "takt_ms": 800, "seed": "device-1", **changes})


def judged(item="part-1", *, score=0.9, verdict=Verdict.DEFECT, cannot_judge=None):
    return JudgedItem(item=item, verdict=verdict, score_ratio=score, threshold_ratio=0.5, cannot_judge=cannot_judge)


def test_a_score_at_the_threshold_is_a_defect():
    assert verdict_of(0.5, 0.5) is Verdict.DEFECT
    assert verdict_of(0.49, 0.5) is Verdict.OK


@pytest.mark.parametrize("score", [float("nan"), -0.1, 1.1, float("inf")])
def test_a_score_that_is_no_probability_gets_no_verdict(score):
    with pytest.raises(ValueError, match="between 0 and 1"):
        verdict_of(score, 0.5)


@given(st.floats(0, 1), st.floats(0, 1))
def test_no_score_is_uncertain_in_an_empty_band(score, threshold):
    assert not is_low_confidence(score, threshold, 0.0)


def test_an_uncertain_item_is_kept_for_certain():
    selection = select(judged(score=0.45), policy(), ImageBudget(), now_s=0)
    assert selection.reason is FlagReason.LOW_CONFIDENCE
    assert selection.selection_ratio == 1.0


def test_an_item_the_engine_failed_on_is_kept():
    failed = judged(score=None, verdict=Verdict.CANNOT_JUDGE, cannot_judge=CannotJudge.ENGINE_ERROR)
    assert select(failed, policy(), ImageBudget(), now_s=0).reason is FlagReason.CANNOT_JUDGE


def test_a_device_without_a_model_does_not_flood_people_with_images():
    blind = judged(score=None, verdict=Verdict.CANNOT_JUDGE, cannot_judge=CannotJudge.NO_MODEL)
    assert select(blind, policy(random_sample_ratio=0.0), ImageBudget(), now_s=0) is None


def test_the_random_slice_has_the_recorded_size_and_records_it():
    kept = [select(judged(f"part-{n}"), policy(), ImageBudget(), now_s=0) for n in range(20_000)]
    ratios = {selection.selection_ratio for selection in kept if selection}
    assert ratios == {0.02}
    assert sum(selection is not None for selection in kept) == pytest.approx(400, abs=80)


def test_the_same_item_and_seed_always_decide_the_same():
    assert draw("device-1", "part-7") == draw("device-1", "part-7")
    assert draw("device-1", "part-7") != draw("device-2", "part-7")


def test_the_random_ratio_is_lowered_beforehand_to_what_the_budget_holds():
    fast_line = policy(random_sample_ratio=1.0, takt_ms=1000, images_per_hour=144)
    assert random_ratio(fast_line) == pytest.approx(0.01)


def test_the_budget_ends_with_the_hour_and_doubt_never_starves_the_random_slice():
    budget = ImageBudget()
    limits = policy(images_per_hour=4, random_sample_ratio=1.0, takt_ms=600_000)
    kept = [select(judged(f"p{n}", score=0.45), limits, budget, now_s=1) for n in range(40)]
    reasons = [selection.reason for selection in kept if selection]
    assert reasons.count(FlagReason.LOW_CONFIDENCE) == 3
    assert reasons.count(FlagReason.RANDOM_SAMPLE) == 1
    assert select(judged(score=0.45), limits, budget, now_s=1 + HOUR_S) is not None


def test_a_faulty_camera_gets_a_twentieth_of_the_budget_and_leaves_the_rest_to_doubt():
    budget, limits = ImageBudget(), policy(images_per_hour=100, random_sample_ratio=0.0)
    dirty = {"score": None, "verdict": Verdict.CANNOT_JUDGE, "cannot_judge": CannotJudge.OCCLUDED}
    held = [select(judged(f"h{n}", **dirty), limits, budget, now_s=1) for n in range(1000)]
    assert sum(one is not None for one in held) == 5
    doubted = [select(judged(f"d{n}", score=0.45), limits, budget, now_s=1) for n in range(100)]
    assert sum(one is not None for one in doubted) == 70
    assert select(judged(**dirty), limits, budget, now_s=1 + HOUR_S).reason is FlagReason.CANNOT_JUDGE
