"""Which image a person should look at first. Pure."""

RANDOM_SAMPLE = "random_sample"
NO_SCORE_RANK = 0.9
"""Nearly as urgent as the least certain verdict: nobody knows anything of an item that could not be judged."""
SKIP_COST = 2.0
"""More than any two ranks differ by: a skipped image goes behind all that nobody skipped."""


def rank(*, score_ratio: float | None, threshold_ratio: float | None, reason: str, sha256: str) -> float:
    """The place in the queue, highest first, 0 to 1: how unsure the model was.

    A random sample gets a random place that its content decides, so that it hides among the rest: a reviewer who knew
    which images were samples would look at them differently, and the escape rate rests on them.
    """
    if reason == RANDOM_SAMPLE:
        return int(sha256[:8], 16) / 0xFFFFFFFF
    if score_ratio is None or threshold_ratio is None:
        return NO_SCORE_RANK
    widest = max(threshold_ratio, 1.0 - threshold_ratio)
    return 1.0 - min(1.0, abs(score_ratio - threshold_ratio) / widest)
