"""Who looks on while the line is inspected: shadow models, the local page. They come after the line was told."""

from dataclasses import dataclass
from typing import Protocol

from edge_agent.line.outputs import Told
from edge_agent.values import Digest, Frame, Judgement


@dataclass(frozen=True, slots=True)
class Seen:
    """One inspected item. frame: None when there was no picture. digest: None without a model."""

    line: str
    frame: Frame | None
    judgement: Judgement
    told: Told
    digest: Digest | None
    at_ms: int


class Onlooker(Protocol):
    def saw(self, seen: Seen) -> None:
        """Take one item in. Never blocks, and keeps no more than a few frames: they are large."""
        ...
