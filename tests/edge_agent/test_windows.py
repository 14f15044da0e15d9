"""A minute's sums."""

from edge_agent.contract.sketches import merged
from edge_agent.windows import WindowSum
from edge_agent.wire.records import Result, Timing
from edge_agent.wire.words import CannotJudge, Verdict

MODEL = "a" * 64


def result(*, score=0.9, verdict=Verdict.DEFECT, cannot_judge=None, total_ms=20.0, is_in_time=True):
    return Result(
        at_ms=1,
        line="line-1",
        item="p",
        verdict=verdict,
        label="" if score is None else verdict.value,
        score_ratio=score,
        threshold_ratio=None if score is None else 0.5,
        cannot_judge=cannot_judge,
        timing=Timing(infer_ms=10.0, total_ms=total_ms, is_in_time=is_in_time),
    )


def summed(*results):
    window = WindowSum(start_ms=1_000, start_s=50.0, model_digest=MODEL)
    for one in results:
        window.add(one, band_ratio=0.1)
    return window.closed(line="line-1", now_s=110.0, backlog_count=7)


def test_a_window_counts_verdicts_labels_doubts_and_delays():
    window = summed(
        result(),
        result(score=0.45, verdict=Verdict.OK),
        result(score=0.1, verdict=Verdict.OK, total_ms=900.0, is_in_time=False),
    )
    assert window.verdict_counts == {Verdict.DEFECT: 1, Verdict.OK: 2}
    assert window.label_counts == {"defect": 1}
    assert (window.low_confidence_count, window.late_count, window.error_count) == (1, 1, 0)
    assert (window.start_ms, window.duration_s, window.backlog_count) == (1_000, 60.0, 7)


def test_items_without_a_score_count_as_items_but_not_as_inferences():
    window = summed(
        result(score=None, verdict=Verdict.CANNOT_JUDGE, cannot_judge=CannotJudge.ENGINE_ERROR),
        result(score=None, verdict=Verdict.CANNOT_JUDGE, cannot_judge=CannotJudge.NO_MODEL),
    )
    assert window.verdict_counts == {Verdict.CANNOT_JUDGE: 2}
    assert window.error_count == 1
    assert merged([window.infer_ms]).count == merged([window.score_percent]).count == 0
    assert merged([window.total_ms]).count == 2


def test_two_windows_add_up_to_the_quantiles_of_both():
    fast = summed(*[result(total_ms=10.0)] * 95)
    slow = summed(*[result(total_ms=100.0)] * 5)
    both = merged([fast.total_ms, slow.total_ms])
    assert both.count == 100
    assert abs(both.quantile(0.5) - 10.0) < 0.2
    assert abs(both.quantile(0.99) - 100.0) < 2


def test_a_window_is_due_after_its_time():
    window = WindowSum(start_ms=0, start_s=50.0, model_digest=None)
    assert not window.is_due(109.9, 60)
    assert window.is_due(110.0, 60)
