"""One minute of one line, summed where it happened. Pure: time comes in as numbers."""

from edge_agent.contract.decision import is_low_confidence
from edge_agent.contract.sketches import QuantileSketch
from edge_agent.wire.records import Result, Window
from edge_agent.wire.words import CannotJudge, Verdict


class WindowSum:
    """The open window. What it holds dies with the process; the results that it sums do not."""

    def __init__(self, *, start_ms: int, start_s: float, model_digest: str | None) -> None:
        """start_ms: wall clock, a stamp only. start_s: monotonic."""
        self.model_digest = model_digest
        self._start_ms = start_ms
        self._start_s = start_s
        self._verdict_counts: dict[Verdict, int] = {}
        self._label_counts: dict[str, int] = {}
        self._cannot_judge_counts: dict[CannotJudge, int] = {}
        self._low_confidence_count = 0
        self._late_count = 0
        self._error_count = 0
        self._infer_ms = QuantileSketch()
        self._total_ms = QuantileSketch()
        self._score_percent = QuantileSketch()
        self._journal_ms = QuantileSketch()

    def is_due(self, now_s: float, window_s: float) -> bool:
        return now_s - self._start_s >= window_s

    def add(self, result: Result, band_ratio: float, *, journal_ms: float = 0.0) -> None:
        self._verdict_counts[result.verdict] = self._verdict_counts.get(result.verdict, 0) + 1
        if result.verdict is Verdict.DEFECT and result.label:
            self._label_counts[result.label] = self._label_counts.get(result.label, 0) + 1
        if result.cannot_judge:
            self._cannot_judge_counts[result.cannot_judge] = self._cannot_judge_counts.get(result.cannot_judge, 0) + 1
        self._late_count += not result.timing.is_in_time
        self._error_count += result.cannot_judge in (CannotJudge.ENGINE_ERROR, CannotJudge.BAD_FRAME)
        self._total_ms.add(result.timing.total_ms)
        self._journal_ms.add(journal_ms)
        if result.score_ratio is not None:
            self._add_score(result.score_ratio, result.threshold_ratio, band_ratio)
            self._infer_ms.add(result.timing.infer_ms)

    def _add_score(self, score_ratio: float, threshold_ratio: float | None, band_ratio: float) -> None:
        self._score_percent.add(score_ratio * 100)
        if threshold_ratio is not None:
            self._low_confidence_count += is_low_confidence(score_ratio, threshold_ratio, band_ratio)

    def closed(self, *, line: str, now_s: float, backlog_count: int) -> Window:
        return Window(
            start_ms=self._start_ms,
            duration_s=max(0.001, now_s - self._start_s),
            line=line,
            model_digest=self.model_digest,
            verdict_counts=dict(self._verdict_counts),
            label_counts=dict(self._label_counts),
            cannot_judge_counts=dict(self._cannot_judge_counts),
            low_confidence_count=self._low_confidence_count,
            late_count=self._late_count,
            error_count=self._error_count,
            infer_ms=self._infer_ms.to_wire(),
            total_ms=self._total_ms.to_wire(),
            score_percent=self._score_percent.to_wire(),
            journal_ms=self._journal_ms.to_wire(),
            backlog_count=backlog_count,
        )
