"""What the sealed gate set says of a model."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from apps.core.statistics import Proportion, proportion
from apps.models.training.threshold import RULE


@dataclass(frozen=True, slots=True)
class GateReport:
    """Figures of one model on images that it never saw, each share with its 95 % Wilson interval.

    caught: defects called a defect. false_rejects: good parts called a defect. auroc_ratio: the chance that a defect
    scores above a good part.
    """

    threshold_ratio: float
    threshold_rule: str
    accuracy: Proportion
    accuracy_at_half: Proportion
    caught: Proportion
    false_rejects: Proportion
    auroc_ratio: float


def gate_report(scores: NDArray[np.float64], is_defect: NDArray[np.bool_], *, threshold_ratio: float) -> GateReport:
    """Both arrays (N,); both kinds must be present."""
    called = scores >= threshold_ratio
    return GateReport(
        threshold_ratio=threshold_ratio,
        threshold_rule=RULE,
        accuracy=_share(called == is_defect),
        accuracy_at_half=_share((scores >= 0.5) == is_defect),
        caught=_share(called[is_defect]),
        false_rejects=_share(called[~is_defect]),
        auroc_ratio=float(roc_auc_score(is_defect, scores)),
    )


def _share(hits: NDArray[np.bool_]) -> Proportion:
    return proportion(int(hits.sum()), len(hits))
