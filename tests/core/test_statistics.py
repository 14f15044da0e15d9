"""Control charts, Pareto and bounds against published figures and ones worked by hand."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.statistics import (
    Limits,
    Subgroup,
    effective_size,
    exact_interval,
    g_chart_limits,
    laney_chart,
    p_chart,
    pareto,
    proportion,
    sigma_z,
    staged_charts,
    upper_bound,
)

EXACT = {"rel": 1e-9}
WAFERS = (
    12, 15, 8, 10, 4, 7, 16, 9, 14, 10, 5, 6, 17, 12, 22, 8, 10, 5, 13, 11, 20, 18, 24, 15, 9, 12, 7, 13, 9, 6,
)  # fmt: skip
COUNTS = st.lists(st.integers(0, 40).map(lambda count: Subgroup(count, 40)), min_size=1, max_size=20)


def of(size: int, *counts: int) -> list[Subgroup]:
    return [Subgroup(count, size) for count in counts]


def test_a_p_charts_limits_equal_the_published_ones():
    """NIST/SEMATECH e-Handbook of Statistical Methods 6.3.3.2: 30 wafers of 50 chips."""
    chart = p_chart(of(50, *WAFERS))
    assert chart.center_ratio == pytest.approx(0.2313, abs=5e-5)
    assert chart.limits[0].high == pytest.approx(0.4102, abs=1e-4)
    assert chart.limits[0].low == pytest.approx(0.0524, abs=1e-4)
    outside = [number for number, one in enumerate(WAFERS, 1) if not chart.limits[0].hold(one / 50)]
    assert outside == [15, 23]


def test_a_p_charts_limits_step_with_the_size_and_end_at_nought():
    chart = p_chart([Subgroup(8, 200), Subgroup(6, 180), Subgroup(10, 220), Subgroup(7, 200)])
    assert chart.center_ratio == pytest.approx(31 / 800, **EXACT)
    assert [one.low for one in chart.limits] == [0.0] * 4
    assert chart.limits[0].high == pytest.approx(0.0797, abs=5e-5)
    for limits, size in zip(chart.limits, (200, 180, 220, 200), strict=True):
        assert limits.high == pytest.approx(0.03875 + 3 * (0.03875 * 0.96125 / size) ** 0.5, **EXACT)


def test_limits_never_pass_all_items():
    assert p_chart(of(4, 3, 4)).limits[0].high == 1.0


def test_sigma_z_is_the_mean_moving_range_of_the_scores():
    """By hand: p = 0.5 and s = 0.025, so the scores are -1, 1, -1 and each range is 2."""
    assert sigma_z(of(400, 190, 210, 190, 210)) == pytest.approx(2 / 1.128, **EXACT)


def test_laney_limits_are_the_plain_ones_widened_by_sigma_z():
    chart = laney_chart(of(400, 190, 210, 190, 210))
    reach = 3 * 0.025 * 2 / 1.128
    assert chart.limits == (Limits(pytest.approx(0.5 - reach, **EXACT), pytest.approx(0.5 + reach, **EXACT)),) * 4


def test_a_line_that_varies_more_than_chance_is_told_by_sigma_z_alone():
    wandering = of(100_000, 1_000, 1_400, 900, 1_300, 1_050, 1_350)
    plain, widened = p_chart(wandering), laney_chart(wandering)
    assert plain.sigma_z == widened.sigma_z > 1.2
    assert not any(limits.hold(one.share_ratio) for limits, one in zip(plain.limits, wandering, strict=True))
    assert all(limits.hold(one.share_ratio) for limits, one in zip(widened.limits, wandering, strict=True))


@pytest.mark.parametrize("subgroups", [of(50, 3), of(50, 0, 0, 0), of(50, 50, 50)])
def test_where_sigma_z_cannot_be_told_the_plain_limits_hold(subgroups):
    chart = laney_chart(subgroups)
    assert chart.sigma_z is None
    assert chart == p_chart(subgroups)


@given(COUNTS)
def test_limits_enclose_the_centre_and_stay_shares(subgroups):
    chart = laney_chart(subgroups)
    assert all(0 <= one.low <= chart.center_ratio <= one.high <= 1 for one in chart.limits)


@given(COUNTS, COUNTS)
def test_no_stage_moves_anothers_limits(first, second):
    points = [("12", one) for one in first] + [("13", one) for one in second]
    assert staged_charts(points) == {"12": laney_chart(first), "13": laney_chart(second)}


def test_a_chart_of_nothing_is_a_programmers_mistake():
    with pytest.raises(ValueError, match="subgroup"):
        p_chart([])
    with pytest.raises(ValueError, match="count"):
        g_chart_limits([])


def test_a_g_charts_limits_are_those_of_geometric_counts():
    """By hand: the mean is 8, so the reach is 3 sqrt(72) = 18 sqrt(2)."""
    center, limits = g_chart_limits([3, 10, 11])
    assert center == 8.0
    assert limits == Limits(0.0, pytest.approx(8 + 18 * 2**0.5, **EXACT))


def test_a_pareto_puts_the_vital_few_first_and_adds_up_to_all():
    bars = pareto({"Soldering": 10, "Crack": 60, "Finger": 20, "Chip": 10, "Never seen": 0})
    assert [(bar.label, bar.count) for bar in bars] == [("Crack", 60), ("Finger", 20), ("Chip", 10), ("Soldering", 10)]
    assert [bar.cumulative_ratio for bar in bars] == [pytest.approx(one, **EXACT) for one in (0.6, 0.8, 0.9, 1.0)]
    assert pareto({}) == []


@pytest.mark.parametrize(("audited", "ppm"), [(300, 9_936), (3_000, 998), (30_000, 100)])
def test_none_found_still_leaves_a_bound(audited, ppm):
    bound = upper_bound(0, audited)
    assert round(bound * 1e6) == ppm
    assert bound == pytest.approx(1 - 0.05 ** (1 / audited), **EXACT)


def test_of_nothing_anything_may_be_true():
    assert upper_bound(0, 0) == 1.0
    assert exact_interval(0, 0) == (0.0, 1.0)


def test_the_exact_interval_equals_the_published_example():
    """Newcombe 1998, table I, method 5 (exact): 81/263 gives 0.2527 to 0.3676, and 1/29 gives 0.0009 to 0.1776."""
    assert exact_interval(81, 263) == pytest.approx((0.2527, 0.3676), abs=5e-5)
    assert exact_interval(1, 29) == pytest.approx((0.0009, 0.1776), abs=5e-5)


def test_the_exact_interval_of_all_is_nones_mirrored():
    low, high = exact_interval(0, 20)
    assert exact_interval(20, 20) == pytest.approx((1 - high, 1 - low), **EXACT)
    assert high == pytest.approx(1 - 0.025 ** (1 / 20), **EXACT)


@given(st.integers(1, 400), st.data())
def test_more_found_means_a_higher_bound(size, data):
    counts = sorted(data.draw(st.sets(st.integers(0, size), min_size=2, max_size=5)))
    bounds = [upper_bound(count, size) for count in counts]
    assert all(before < after or after == 1.0 for before, after in pairwise(bounds))


def test_the_wilson_interval_lies_within_the_exact_one():
    share = proportion(5, 60)
    low, high = exact_interval(5, 60)
    assert low < share.low_ratio < share.high_ratio < high


def test_unequal_weights_tell_less_than_as_many_equal_ones():
    assert effective_size(10 * 50.0, 10 * 50.0**2) == pytest.approx(10, **EXACT)
    assert effective_size(1 + 3, 1 + 9) == pytest.approx(1.6, **EXACT)
    assert effective_size(0.0, 0.0) == 0.0
