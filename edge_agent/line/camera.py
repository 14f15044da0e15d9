"""What a camera gives, and how it fails."""

import uuid
from dataclasses import dataclass
from typing import Protocol

from edge_agent.values import Pixels


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


class PartNames:
    """Gives each part a name of its own."""

    def __init__(self, product: str, lot: str) -> None:
        self._product = product
        self._lot = lot
        # A part's name must not repeat after a restart, so each run has its own prefix.
        self._run = uuid.uuid4().hex[:8]
        self._count = 0

    def next_part(self, *, product: str = "", lot: str = "", source: str = "") -> Part:
        self._count += 1
        return Part(
            item=f"{self._run}-{self._count:07d}",
            product=product or self._product,
            lot=lot or self._lot,
            source=source,
        )


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture out of a source. encoded: the file that it came in; empty when it came as bare pixels."""

    pixels: Pixels
    encoded: bytes = b""


class SourceLost(Exception):
    """The source gives nothing more; it must be opened anew."""


class BadPicture(Exception):
    """This one picture is garbage; the next may be good."""


class Source(Protocol):
    """One way to get pictures. The thread that opens it reads and closes it; `read` may hang, nothing else waits."""

    @property
    def is_live(self) -> bool:
        """Two pictures of it are never equal, because a sensor's noise is in them."""
        ...

    @property
    def is_streaming(self) -> bool:
        """Pictures come by themselves and must be taken at once, or old ones queue up. Else each `read` makes one."""
        ...

    def open(self) -> None:
        """Raises SourceLost."""
        ...

    def read(self) -> Shot:
        """The next picture. Raises SourceLost or BadPicture."""
        ...

    def close(self) -> None:
        """Never raises; after a failed `open` too."""
        ...
