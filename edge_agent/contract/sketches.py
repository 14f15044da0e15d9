"""Quantiles that add up: a device sums its minute, the cloud sums the fleet, and nobody sends raw latencies.

DDSketch with logarithmic buckets: Masson, Rim, Lee, "DDSketch: a fast and fully-mergeable quantile sketch
with relative-error guarantees", PVLDB 12(12), 2019.
"""

import math
from collections.abc import Iterable, Mapping

from edge_agent.wire.records import Sketch

DEFAULT_RELATIVE_ERROR = 0.01
SMALLEST_VALUE = 1e-6
"""Below this a value counts as zero. For milliseconds that is a nanosecond."""
LARGEST_VALUE = 1e9
"""Above this a value counts as this. With 1 % error all buckets together are then at most 1,728."""


class QuantileSketch:
    """A quantile within `relative_error` of the true one, for values from SMALLEST_VALUE to LARGEST_VALUE.

    Merging is associative and commutative and loses nothing: the merged sketch is the sketch of all values.
    """

    def __init__(self, relative_error: float = DEFAULT_RELATIVE_ERROR) -> None:
        if not 0 < relative_error < 1:
            raise ValueError(f"a relative error lies between 0 and 1, not {relative_error}")
        self.relative_error = relative_error
        self.count = 0
        self._zero_count = 0
        self._buckets: dict[int, int] = {}
        self._gamma = (1 + relative_error) / (1 - relative_error)
        self._log_gamma = math.log(self._gamma)

    @classmethod
    def from_wire(cls, sketch: Sketch) -> "QuantileSketch":
        """Raises ValueError when the sender's error or a count can't be one."""
        new = cls(sketch.relative_error)
        new._add_counts(sketch.zero_count, sketch.buckets)
        return new

    def to_wire(self) -> Sketch:
        buckets = dict(sorted(self._buckets.items()))
        return Sketch(relative_error=self.relative_error, zero_count=self._zero_count, buckets=buckets)

    def add(self, value: float, times: int = 1) -> None:
        """Raises ValueError for a negative, infinite or missing (NaN) value."""
        if not (math.isfinite(value) and value >= 0):
            raise ValueError(f"a sketch holds values from 0 up, not {value}")
        self.count += times
        if value < SMALLEST_VALUE:
            self._zero_count += times
            return
        index = math.ceil(math.log(min(value, LARGEST_VALUE)) / self._log_gamma)
        self._buckets[index] = self._buckets.get(index, 0) + times

    def merge(self, other: "QuantileSketch") -> None:
        """Add all that `other` holds. Raises ValueError when its buckets are of another width."""
        if other.relative_error != self.relative_error:
            raise ValueError(f"buckets differ: {self.relative_error} and {other.relative_error}")
        self._add_counts(other._zero_count, other._buckets)

    def quantile(self, ratio: float) -> float | None:
        """The value below which `ratio` of all values lie; None when there is none."""
        if not 0 <= ratio <= 1:
            raise ValueError(f"a quantile lies between 0 and 1, not {ratio}")
        if self.count == 0:
            return None
        rank = math.floor(ratio * (self.count - 1))
        below = self._zero_count
        if rank < below:
            return 0.0
        for index in sorted(self._buckets):
            below += self._buckets[index]
            if rank < below:
                return self._middle(index)
        raise RuntimeError("the buckets hold less than the count")

    def _middle(self, index: int) -> float:
        """The point of a bucket that no value in it is further from than the relative error."""
        return 2 * math.exp(index * self._log_gamma) / (self._gamma + 1)

    def _add_counts(self, zero_count: int, buckets: Mapping[int, int]) -> None:
        if zero_count < 0 or any(times < 0 for times in buckets.values()):
            raise ValueError("a count is never negative")
        self._zero_count += zero_count
        self.count += zero_count + sum(buckets.values())
        for index, times in buckets.items():
            self._buckets[index] = self._buckets.get(index, 0) + times


def merged(sketches: Iterable[Sketch]) -> QuantileSketch:
    """The sketch of everything in `sketches`, which must share one relative error; empty for none."""
    total: QuantileSketch | None = None
    for sketch in sketches:
        part = QuantileSketch.from_wire(sketch)
        if total is None:
            total = part
        else:
            total.merge(part)
    return total if total is not None else QuantileSketch()
