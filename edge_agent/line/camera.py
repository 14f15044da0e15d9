"""What a camera gives, and how it fails."""

from dataclasses import dataclass
from typing import Protocol

from edge_agent.values import Frame


@dataclass(frozen=True, slots=True)
class Part:
    """One item on the line. `item` never repeats, restarts included."""

    item: str
    product: str
    lot: str
    source: str


class CameraFault(Exception):
    """No picture now; the next beat tries again."""


class BadFrame(CameraFault):
    """A part passed, and its picture is none. It still gets a record."""

    def __init__(self, text: str, part: Part) -> None:
        super().__init__(text)
        self.part = part


class Camera(Protocol):
    def capture(self) -> Frame:
        """The picture of the part that stands there now. Raises CameraFault."""
        ...
