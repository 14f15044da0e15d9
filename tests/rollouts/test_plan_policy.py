import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.rollouts.policy import Candidate, OnFailure, Plan, plan_faults, stage_sizes, staged


@pytest.mark.parametrize(
    ("shares", "count", "sizes"),
    [
        ((0.05, 0.25, 1.0), 100, [5, 25, 100]),
        ((0.05, 0.25, 1.0), 1, [1]),
        ((0.05, 0.25, 1.0), 3, [1, 3]),
        ((0.05, 0.25, 1.0), 21, [2, 6, 21]),
        ((0.07, 1.0), 100, [7, 100]),
        ((1.0,), 4, [4]),
    ],
)
def test_a_stage_is_the_share_rounded_up_and_equal_stages_merge(shares, count, sizes):
    assert stage_sizes(shares, count) == sizes


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9)), min_size=1, max_size=60))
def test_every_device_is_in_exactly_one_stage_whatever_the_order(lines):
    candidates = [Candidate(f"d{n:03}", site, (site, line)) for n, (site, line) in enumerate(lines)]

    stages = staged(candidates, (0.05, 0.25, 1.0))

    assert sorted(one.device_id for stage in stages for one in stage) == [one.device_id for one in candidates]
    assert all(stages)
    assert staged(candidates[::-1], (0.05, 0.25, 1.0)) == stages


def test_early_stages_see_every_site_before_they_see_a_line_twice():
    candidates = [Candidate(f"d{n:02}", n // 8, n // 4) for n in range(16)]

    first, *_ = staged(candidates, (0.25, 1.0))

    assert {one.site_id for one in first} == {0, 1}
    assert len({one.line_id for one in first}) == 4


def test_the_plan_that_comes_as_the_default_can_be_carried_out():
    assert plan_faults(Plan()) == {}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"shares": ()}, "shares"),
        ({"shares": (0.5, 0.2, 1.0)}, "shares"),
        ({"shares": (0.5,)}, "shares"),
        ({"shares": (0.0, 1.0)}, "shares"),
        ({"max_error_ratio": 1.5}, "max_error_ratio"),
        ({"max_failure_ratio": float("nan")}, "max_failure_ratio"),
        ({"soak_s": 0}, "soak_s"),
        ({"max_wait_s": float("inf")}, "max_wait_s"),
        ({"min_items": 0}, "min_items"),
    ],
)
def test_a_plan_that_cannot_be_carried_out_says_which_field_is_wrong(change, field):
    assert list(plan_faults(Plan(**change))) == [field]


def test_a_plan_survives_the_row_it_is_kept_in():
    plan = Plan(shares=(0.1, 1.0), on_failure=OnFailure.RETURN)
    assert Plan.from_json(plan.as_json()) == plan
    assert Plan.from_json({}) == Plan()
