from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from edge_agent.contract.sketches import merged
from edge_agent.wire.records import Sketch


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds, each within 1 % of the true quantile; None when there was no item."""

    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None


NO_ITEMS = Latency()


def latency_of(sketches: Iterable[Mapping[str, object]]) -> Latency:
    """Quantiles over everything in these stored sketches."""
    total = merged(msgspec.convert(sketch, Sketch, str_keys=True) for sketch in sketches)
    return Latency(total.quantile(0.5), total.quantile(0.95), total.quantile(0.99))
