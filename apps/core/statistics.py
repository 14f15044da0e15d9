"""The statistics that more than one app shows. Computed by scipy; sources named."""

from dataclasses import dataclass

from scipy.stats import binomtest


@dataclass(frozen=True, slots=True)
class Proportion:
    """A share with its 95 % Wilson score interval (Wilson 1927)."""

    count: int
    of: int
    share_ratio: float | None
    low_ratio: float
    high_ratio: float


def proportion(count: int, of: int, *, confidence: float = 0.95) -> Proportion:
    """The share `count / of` and its Wilson interval; of nothing, the share is None and the interval is 0 to 1."""
    if of == 0:
        return Proportion(count, of, None, 0.0, 1.0)
    interval = binomtest(count, of).proportion_ci(confidence_level=confidence, method="wilson")
    return Proportion(count, of, count / of, float(interval.low), float(interval.high))
