"""Where images come from. A source hands over bytes and what it knows of them; nothing of it is trusted."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class SourceImage:
    """One file that claims to be an image of class `label`. defect_ratio: the source's own probability, 0..1."""

    name: str
    content: bytes
    label: str
    defect_ratio: float | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that was left out, and the sentence that says why."""

    name: str
    reason: str


class ImageSource(Protocol):
    @property
    def labels(self) -> tuple[str, ...]:
        """The classes in order; the first one means good."""
        ...

    @property
    def count(self) -> int:
        """How many entries `entries` will give."""
        ...

    def entries(self) -> Iterator[SourceImage | Skipped]: ...


class SourceMissing(Exception):
    """The source is not there, or holds nothing that could be imported."""
