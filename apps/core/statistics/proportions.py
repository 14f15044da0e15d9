"""Shares with what is known of them. Computed by scipy; sources named."""

from dataclasses import dataclass

from scipy.stats import beta, binomtest


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


def exact_interval(count: float, of: float, *, confidence: float = 0.95) -> tuple[float, float]:
    """The two-sided Clopper-Pearson interval (Biometrika 1934) as quantiles of beta distributions.

    `count` and `of` need not be whole: a weighted sample has an effective size (Korn and Graubard 1998, Survey
    Methodology 24(2)). Of nothing the interval is 0 to 1.
    """
    tail = (1.0 - confidence) / 2.0
    low = float(beta.ppf(tail, count, of - count + 1.0)) if count > 0 else 0.0
    high = float(beta.ppf(1.0 - tail, count + 1.0, of - count)) if count < of else 1.0
    return low, high


def upper_bound(count: float, of: float, *, confidence: float = 0.95) -> float:
    """The one-sided Clopper-Pearson bound: with this confidence the share is at most so much.

    For none found it is 1 - (1 - confidence)^(1 / of): 300 / 3,000 / 30,000 clean items bound the share at
    9,936 / 998 / 100 ppm. Of nothing it is 1.
    """
    return float(beta.ppf(confidence, count + 1.0, of - count)) if count < of else 1.0


def effective_size(weight_sum: float, weight_square_sum: float) -> float:
    """How many equally weighted items tell as much as these weighted ones (Kish 1965, Survey Sampling)."""
    return weight_sum * weight_sum / weight_square_sum if weight_square_sum else 0.0
