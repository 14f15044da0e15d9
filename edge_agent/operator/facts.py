"""What the page shows, in one answer."""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from edge_agent.clock import Clock
from edge_agent.operator.board import Board, LineBoard, ShownItem
from edge_agent.wire.configuration import Privacy
from edge_agent.wire.records import Health

FACTS_FRESH_S = 2.0
"""However many look on, the device is measured no more often than this."""


class StationFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A camera with its line. fault: empty while all is well."""

    name: str
    line: str
    fault: str


class OutputFacts(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    waiting_count: int
    dropped_count: int


class PageFacts(msgspec.Struct, frozen=True, kw_only=True):
    device: str
    site: str
    model: str
    """Name and version; empty without one."""
    model_digest: str
    privacy: Privacy
    at_ms: int
    lines: list[LineBoard]
    items: list[ShownItem]
    stations: list[StationFacts]
    outputs: list[OutputFacts]
    health: Health


@dataclass(frozen=True, slots=True)
class RunningModel:
    name: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True)
class FactSources:
    """Where the page's facts come from; each is asked at each look, `health` at most every FACTS_FRESH_S."""

    device: str
    site: str
    board: Board
    model: Callable[[], RunningModel]
    stations: Callable[[], list[StationFacts]]
    outputs: Callable[[], list[OutputFacts]]
    health: Callable[[], Health]
    privacy: Callable[[], Privacy]
    clock: Clock


class PageFactsReader:
    def __init__(self, sources: FactSources) -> None:
        self._sources = sources
        self._health: tuple[float, Health] | None = None

    def facts(self) -> PageFacts:
        sources, model = self._sources, self._sources.model()
        return PageFacts(
            device=sources.device,
            site=sources.site,
            model=model.name,
            model_digest=model.digest,
            privacy=sources.privacy(),
            at_ms=sources.clock.wall_ms(),
            lines=sources.board.lines(),
            items=sources.board.items(),
            stations=sources.stations(),
            outputs=sources.outputs(),
            health=self._fresh_health(),
        )

    def _fresh_health(self) -> Health:
        now_s, held = self._sources.clock.monotonic_s(), self._health
        if held is None or now_s - held[0] >= FACTS_FRESH_S:
            held = self._health = (now_s, self._sources.health())
        return held[1]
