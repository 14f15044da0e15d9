"""The statistics that more than one app shows. Pure; sources named beside each formula (docs/quality.md)."""

from apps.core.statistics.charts import (
    SIGMA_Z_WARNING,
    ControlChart,
    Limits,
    Subgroup,
    g_chart_limits,
    laney_chart,
    p_chart,
    sigma_z,
    staged_charts,
)
from apps.core.statistics.pareto import ParetoBar, pareto
from apps.core.statistics.proportions import Proportion, effective_size, exact_interval, proportion, upper_bound

__all__ = [
    "SIGMA_Z_WARNING",
    "ControlChart",
    "Limits",
    "ParetoBar",
    "Proportion",
    "Subgroup",
    "effective_size",
    "exact_interval",
    "g_chart_limits",
    "laney_chart",
    "p_chart",
    "pareto",
    "proportion",
    "sigma_z",
    "staged_charts",
    "upper_bound",
]
