"""The score from which an item is called a defect."""

import numpy as np
from numpy.typing import NDArray

NEAR_BEST_RATIO = 0.01
"""With a few hundred images, differences below one point are chance, and the single best score is an overfit."""
RULE = (
    "(defects caught + good parts passed) / 2 is highest on the search split; "
    "of all scores within one point of the best, the middle one"
)


def choose_threshold(scores: NDArray[np.float64], is_defect: NDArray[np.bool_]) -> float:
    """Apply `RULE`. Both arrays (N,); both kinds must be present. Lies between scores, so rounding flips nothing."""
    levels = np.unique(scores)
    candidates = np.concatenate([[levels[0]], (levels[1:] + levels[:-1]) / 2])
    caught = np.asarray([(scores[is_defect] >= one).mean() for one in candidates])
    passed = np.asarray([(scores[~is_defect] < one).mean() for one in candidates])
    balanced = (caught + passed) / 2
    best = np.flatnonzero(balanced >= balanced.max() - NEAR_BEST_RATIO)
    return float(candidates[best[len(best) // 2]])
