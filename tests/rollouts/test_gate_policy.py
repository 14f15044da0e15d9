from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.rollouts.policy import Act, GateFacts, GateLimits, OnFailure, Plan, judge, next_act
from apps.rollouts.states import Gate

LIMITS = GateLimits.of(Plan(min_items=200, soak_s=60, max_wait_s=3600))
GOOD = GateFacts(
    target_count=10,
    done_count=10,
    open_count=0,
    failure_count=0,
    unreachable_count=0,
    item_count=500,
    error_count=0,
    late_count=0,
    cannot_judge_count=0,
    soaked_s=100,
    waited_s=100,
)


def test_a_stage_with_enough_good_items_passes():
    assert judge(GOOD, LIMITS).gate is Gate.PASS


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"open_count": 1, "done_count": 9}, "devices_updating"),
        ({"done_count": 0, "unreachable_count": 10}, "nothing_confirmed"),
        ({"done_count": 9}, "digest_differs"),
        ({"item_count": 199}, "too_few_items"),
        ({"soaked_s": 59.9}, "soaking"),
        ({"item_count": 5, "error_count": 6}, "facts_contradict"),
        ({"done_count": 11}, "facts_contradict"),
        ({"soaked_s": float("nan")}, "facts_contradict"),
        ({"item_count": -1}, "facts_contradict"),
    ],
)
def test_what_is_missing_or_contradictory_never_advances(change, rule):
    judgement = judge(replace(GOOD, **change), LIMITS)
    assert (judgement.gate, judgement.rule) == (Gate.NEED_MORE_DATA, rule)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"done_count": 8, "failure_count": 2}, "update_failures"),
        ({"error_count": 11}, "errors"),
        ({"late_count": 26}, "late"),
        ({"cannot_judge_count": 26}, "cannot_judge"),
    ],
)
def test_a_value_above_its_limit_fails_with_value_limit_and_n(change, rule):
    judgement = judge(replace(GOOD, **change), LIMITS)
    assert (judgement.gate, judgement.rule) == (Gate.FAIL, rule)
    assert "above the limit of" in judgement.reason
    assert "n = " in judgement.reason


def test_a_value_at_its_limit_is_allowed():
    assert judge(replace(GOOD, done_count=9, failure_count=1, error_count=10), LIMITS).gate is Gate.PASS


def test_few_bad_items_wait_for_more_until_nothing_could_save_the_stage():
    few = replace(GOOD, item_count=10)
    assert judge(replace(few, error_count=4), LIMITS).gate is Gate.NEED_MORE_DATA
    assert judge(replace(few, error_count=5), LIMITS).gate is Gate.FAIL


def test_unreachable_devices_do_not_speak_against_the_version():
    assert judge(replace(GOOD, done_count=4, unreachable_count=6), LIMITS).gate is Gate.PASS


@given(
    st.builds(
        GateFacts,
        **{name: st.integers(-1, 300) for name in GateFacts.__slots__ if name.endswith("count")},
        soaked_s=st.floats(-1, 1000),
        waited_s=st.floats(0, 10_000),
    )
)
def test_no_facts_pass_without_confirmed_devices_enough_items_and_a_full_soak(facts):
    judgement = judge(facts, LIMITS)
    assert judgement.reason
    if judgement.gate is Gate.PASS:
        assert facts.done_count > 0
        assert facts.open_count == 0
        assert facts.item_count >= LIMITS.min_items
        assert facts.soaked_s >= LIMITS.soak_s


def test_waiting_ends_at_the_maximum_by_holding_for_a_person():
    short = replace(GOOD, item_count=3)
    assert next_act(judge(short, LIMITS), OnFailure.RETURN) is Act.WAIT
    assert next_act(judge(replace(short, waited_s=3600), LIMITS), OnFailure.RETURN) is Act.HOLD


@pytest.mark.parametrize(("on_failure", "act"), [(OnFailure.PAUSE, Act.PAUSE), (OnFailure.RETURN, Act.RETURN)])
def test_a_failed_gate_does_what_the_plan_says(on_failure, act):
    assert next_act(judge(replace(GOOD, error_count=100), LIMITS), on_failure) is act
    assert next_act(judge(GOOD, LIMITS), on_failure) is Act.ADVANCE
