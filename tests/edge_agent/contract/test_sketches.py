"""The promises of the quantile sketch."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.contract.sketches import LARGEST_VALUE, QuantileSketch, merged
from edge_agent.wire.codec import decode, encode
from edge_agent.wire.records import Sketch

VALUES = st.lists(st.floats(min_value=1e-3, max_value=1e8) | st.just(0.0), min_size=1, max_size=200)
RATIOS = st.floats(min_value=0, max_value=1)


def sketch_of(values: list[float]) -> QuantileSketch:
    sketch = QuantileSketch()
    for value in values:
        sketch.add(value)
    return sketch


@given(VALUES, RATIOS)
def test_a_quantile_is_within_the_stated_relative_error(values, ratio):
    exact = sorted(values)[math.floor(ratio * (len(values) - 1))]
    assert sketch_of(values).quantile(ratio) == pytest.approx(exact, rel=0.01 + 1e-9)


@given(VALUES, VALUES, VALUES)
def test_merging_is_associative_and_commutative_and_loses_nothing(a, b, c):
    parts = [sketch_of(values).to_wire() for values in (a, b, c)]
    left = merged([merged(parts[:2]).to_wire(), parts[2]])
    right = merged([merged(parts[:0:-1]).to_wire(), parts[0]])
    assert left.to_wire() == right.to_wire() == sketch_of(a + b + c).to_wire()
    assert left.count == len(a + b + c)


@given(VALUES)
def test_a_sketch_survives_the_wire(values):
    sent = sketch_of(values).to_wire()
    got = QuantileSketch.from_wire(decode(encode(sent), Sketch))
    assert got.to_wire() == sent
    assert got.count == len(values)


def test_an_empty_sketch_has_no_quantile():
    assert QuantileSketch().quantile(0.5) is None
    assert merged([]).quantile(0.5) is None


def test_a_value_beyond_the_range_counts_as_the_largest():
    assert sketch_of([1e30]).quantile(1.0) == pytest.approx(LARGEST_VALUE, rel=0.01)


@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf])
def test_what_is_no_measurement_is_refused(value):
    with pytest.raises(ValueError, match="from 0 up"):
        QuantileSketch().add(value)


def test_sketches_of_different_widths_do_not_mix():
    with pytest.raises(ValueError, match="buckets differ"):
        merged([Sketch(relative_error=0.01), Sketch(relative_error=0.02)])


def test_a_sender_cannot_subtract():
    with pytest.raises(ValueError, match="negative"):
        merged([Sketch(buckets={1: -5})])
