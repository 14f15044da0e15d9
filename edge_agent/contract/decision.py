"""From a score to a verdict, in one place for training, gates and the line."""

import math

from edge_agent.wire.words import Verdict


def verdict_of(score_ratio: float, threshold_ratio: float) -> Verdict:
    """A defect when the score reaches the threshold. Raises ValueError for a score that is no probability."""
    if not (math.isfinite(score_ratio) and 0.0 <= score_ratio <= 1.0):
        raise ValueError(f"a score lies between 0 and 1, not {score_ratio}")
    return Verdict.DEFECT if score_ratio >= threshold_ratio else Verdict.OK


def is_low_confidence(score_ratio: float, threshold_ratio: float, band_ratio: float) -> bool:
    """The score is nearer to the threshold than `band_ratio`, on either side."""
    return abs(score_ratio - threshold_ratio) < band_ratio
