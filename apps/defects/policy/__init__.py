"""Which image a person looks at first, and what the verdicts say of the model. Pure."""

from apps.defects.policy.audit import AuditCell, AuditFigures, WeightedShare, audit_figures
from apps.defects.policy.order import NO_SCORE_RANK, RANDOM_SAMPLE, SKIP_COST, rank

__all__ = [
    "NO_SCORE_RANK",
    "RANDOM_SAMPLE",
    "SKIP_COST",
    "AuditCell",
    "AuditFigures",
    "WeightedShare",
    "audit_figures",
    "rank",
]
