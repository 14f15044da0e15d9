"""How often the model was wrong: rates from random samples alone, and what reviews of a real queue come to."""

from datetime import timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.defects.models import Review
from apps.defects.policy import AuditCell, audit_figures
from apps.defects.selectors import audited
from apps.defects.states import Answer
from tests.factories.defects import NOON, FlagFactory
from tests.factories.devices import DeviceFactory
from tests.factories.rollouts import PersonFactory

EXACT = {"rel": 1e-9}


def cell(verdict: str, count: int, *, defective: bool = False, ratio: float | None = 0.02) -> AuditCell:
    """`count` reviewed items; ratio None: they were kept for doubt."""
    weight = 1 / (ratio or 1.0)
    return AuditCell(verdict, defective, ratio is not None, count, count * weight, count * weight**2)


@pytest.mark.parametrize(("audited_count", "ppm"), [(300, 9_936), (3_000, 998), (30_000, 100)])
def test_no_escape_in_the_audit_is_a_bound_and_not_nought(audited_count, ppm):
    escape = audit_figures([cell("ok", audited_count)]).escape
    assert (escape.count, escape.of, escape.share_ratio) == (0, audited_count, 0.0)
    assert round(escape.bound_ratio * 1e6) == ppm


def test_each_rate_has_its_own_whole():
    figures = audit_figures([
        cell("ok", 95), cell("ok", 5, defective=True), cell("defect", 20, defective=True), cell("defect", 10)
    ])  # fmt: skip
    assert figures.escape.share_ratio == pytest.approx(5 / 100, **EXACT)
    assert figures.miss.share_ratio == pytest.approx(5 / 25, **EXACT)
    assert figures.overkill.share_ratio == pytest.approx(10 / 105, **EXACT)


def test_a_sample_stands_for_as_many_items_as_it_was_drawn_from():
    """By hand: 1 of 10 at weight 10 and 0 of 10 at weight 50 stand for 10 of 600 items, as 13.8 equal ones would."""
    figures = audit_figures([
        cell("ok", 9, ratio=0.1), cell("ok", 1, defective=True, ratio=0.1), cell("ok", 10, ratio=0.02)
    ])  # fmt: skip
    assert figures.escape.share_ratio == pytest.approx(1 / 60, **EXACT)
    size = 600**2 / (10 * 10**2 + 10 * 50**2)
    assert size == pytest.approx(13.846153846, rel=1e-9)
    assert figures.escape.low_ratio < 1 / 60 < figures.escape.high_ratio
    assert figures.escape.bound_ratio > audit_figures([cell("ok", 20)]).escape.bound_ratio


def test_what_was_kept_for_doubt_moves_no_rate_and_is_counted_beside_them():
    doubtful = [cell("ok", 7, ratio=None), cell("ok", 40, defective=True, ratio=None), cell("defect", 30, ratio=None)]
    figures = audit_figures([cell("ok", 300), *doubtful])
    assert figures.escape == audit_figures([cell("ok", 300)]).escape
    assert (figures.doubtful_escape_count, figures.doubtful_passed_count) == (40, 47)
    assert figures.overkill.count == 0


def test_an_item_that_could_not_be_judged_was_neither_passed_nor_rejected():
    assert audit_figures([cell("cannot_judge", 9, defective=True)]) == audit_figures([])


def test_without_an_audit_nothing_is_known():
    escape = audit_figures([]).escape
    assert (escape.share_ratio, escape.low_ratio, escape.high_ratio, escape.bound_ratio) == (None, 0.0, 1.0, 1.0)


@given(st.integers(0, 50), st.integers(0, 50), st.floats(0.001, 1.0))
def test_a_rate_lies_within_its_interval(bad, good, ratio):
    escape = audit_figures([cell("ok", good, ratio=ratio), cell("ok", bad, defective=True, ratio=ratio)]).escape
    assert 0 <= escape.low_ratio <= escape.high_ratio <= 1
    if bad + good:
        assert escape.low_ratio <= escape.share_ratio + 1e-12
        assert escape.share_ratio - 1e-12 <= escape.high_ratio


def reviewed(device, answer: Answer, **changes) -> Review:
    flag = {"verdict": "ok", "reason": "random_sample", "selection_ratio": 0.02, "at": NOON} | changes
    row = FlagFactory(device=device, **flag)
    return Review.objects.create(flag=row, uuid=uuid4(), by=PersonFactory(), at=NOON, answer=answer)


@pytest.mark.django_db
def test_deciding_verdicts_of_the_time_and_the_devices_are_added_up():
    device = DeviceFactory()
    for answer in (Answer.GOOD, Answer.GOOD, Answer.DEFECT, Answer.UNSURE, Answer.CANNOT_JUDGE):
        reviewed(device, answer)
    reviewed(device, Answer.DEFECT, at=NOON - timedelta(hours=9))
    reviewed(DeviceFactory(), Answer.DEFECT)
    Review.objects.filter(pk=reviewed(device, Answer.DEFECT).pk).update(undone_at=NOON)
    Review.objects.filter(pk=reviewed(device, Answer.DEFECT).pk).update(is_deciding=False)
    reviewed(device, Answer.DEFECT, reason="low_confidence", selection_ratio=1.0)

    figures = audited(device_ids=[device.pk], since=NOON - timedelta(hours=8), until=NOON + timedelta(seconds=1))

    assert (figures.escape.count, figures.escape.of) == (1, 3)
    assert figures.escape.share_ratio == pytest.approx(1 / 3, **EXACT)
    assert (figures.doubtful_escape_count, figures.doubtful_passed_count) == (1, 1)


@pytest.mark.django_db
def test_the_audit_costs_one_query(django_assert_num_queries):
    device = DeviceFactory()
    for ratio in (0.02, 0.05, 0.1):
        reviewed(device, Answer.GOOD, selection_ratio=ratio)
    with django_assert_num_queries(1):
        figures = audited(device_ids=[device.pk], since=NOON, until=NOON + timedelta(hours=1))
    assert figures.escape.of == 3
