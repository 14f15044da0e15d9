"""When a version on probation passes, fails, or has to go on."""

import pytest

from edge_agent.update.probation import Probation, ProbationFacts, judge_probation, percentile_95
from edge_agent.wire.messages import ModelOffer

OFFER = ModelOffer(
    target_id=1,
    name="m",
    version="1",
    target_path="m",
    digest="0" * 64,
    size_bytes=1,
    probation_items=50,
    probation_s=60.0,
    max_error_ratio=0.02,
    max_p95_ms=200.0,
)


@pytest.mark.parametrize(
    ("items", "errors", "p95_ms", "elapsed_s", "state", "reason"),
    [
        (49, 0, 10, 1, Probation.NEED_MORE_DATA, ""),
        (50, 0, 10, 1, Probation.PASS, ""),
        (50, 1, 10, 1, Probation.PASS, ""),
        (50, 2, 10, 1, Probation.FAIL, "probation_errors"),
        (2, 2, 10, 1, Probation.FAIL, "probation_errors"),
        (50, 0, 201, 1, Probation.FAIL, "probation_slow"),
        (5, 0, 10, 60, Probation.PASS, ""),
        (5, 1, 10, 60, Probation.FAIL, "probation_errors"),
        (0, 0, 0, 10_000, Probation.NEED_MORE_DATA, ""),
    ],
)
def test_probation(items, errors, p95_ms, elapsed_s, state, reason):
    facts = ProbationFacts(item_count=items, error_count=errors, p95_ms=p95_ms, elapsed_s=elapsed_s)
    verdict = judge_probation(facts, OFFER)
    assert (verdict.state, verdict.reason) == (state, reason)


def test_the_95th_percentile_is_the_nearest_rank():
    assert percentile_95([float(n) for n in range(1, 101)]) == 95.0
    assert percentile_95([7.0]) == 7.0
    assert percentile_95([]) == 0.0
