"""The last items of each line, for people. In memory; the journal is the record."""

import threading
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from edge_agent.clock import Clock
from edge_agent.pipeline.onlookers import Seen
from edge_agent.pipeline.privacy import shown_bytes
from edge_agent.values import Pixels
from edge_agent.wire.configuration import Privacy
from edge_agent.wire.words import CannotJudge, Verdict

ITEMS_SHOWN = 24
FRAMES_WAITING_MAX = 4
"""Whole frames: at 12 megapixels each one is 36 MB."""
LOOK_S = 0.2


class ShownItem(msgspec.Struct, frozen=True, kw_only=True):
    number: int
    """Counts the items since the start; names the thumbnail."""
    line: str
    item: str
    verdict: Verdict
    label: str
    cannot_judge: CannotJudge | None
    score_ratio: float | None
    told_ms: float
    at_ms: int
    is_recorded: bool
    has_picture: bool = False


class LineBoard(msgspec.Struct, frozen=True, kw_only=True):
    """counts: items by verdict since the start. age_s: since the last one."""

    line: str
    last: ShownItem
    age_s: float
    counts: dict[Verdict, int]


@dataclass(slots=True)
class _Line:
    last: ShownItem
    seen_s: float
    counts: Counter[Verdict]


class Board:
    """Takes items in without delay; thumbnails are made by a thread of its own, and only for those that it keeps."""

    name = "board"

    def __init__(self, clock: Clock, privacy: Callable[[], Privacy]) -> None:
        self._clock = clock
        self._privacy = privacy
        self._changed = threading.Condition()
        self._items: deque[ShownItem] = deque(maxlen=ITEMS_SHOWN)
        self._lines: dict[str, _Line] = {}
        self._pictures: dict[int, bytes] = {}
        self._frames: deque[tuple[int, Pixels]] = deque(maxlen=FRAMES_WAITING_MAX)
        self._bell = threading.Event()
        self._number = 0

    @property
    def version(self) -> int:
        """Grows with each item."""
        return self._number

    def saw(self, seen: Seen) -> None:
        with self._changed:
            self._number += 1
            item = _shown(self._number, seen)
            self._items.append(item)
            line = self._lines.setdefault(seen.line, _Line(item, 0.0, Counter()))
            line.last, line.seen_s = item, self._clock.monotonic_s()
            line.counts[item.verdict] += 1
            if seen.frame is not None:
                self._frames.append((item.number, seen.frame.pixels))
            self._changed.notify_all()
        self._bell.set()

    def wait_for_change(self, version: int, timeout_s: float) -> int:
        """The version once it is another than `version`, or when the time has passed."""
        with self._changed:
            self._changed.wait_for(lambda: self._number != version, timeout_s)
            return self._number

    def items(self) -> list[ShownItem]:
        """Newest first."""
        with self._changed:
            return [
                msgspec.structs.replace(item, has_picture=item.number in self._pictures)
                for item in reversed(self._items)
            ]

    def lines(self) -> list[LineBoard]:
        now_s = self._clock.monotonic_s()
        with self._changed:
            return [
                LineBoard(line=name, last=line.last, age_s=now_s - line.seen_s, counts=dict(line.counts))
                for name, line in sorted(self._lines.items())
            ]

    def picture(self, number: int) -> bytes | None:
        """A JPEG; None when there is none, or may be none any more."""
        return None if self._privacy() is Privacy.NEVER else self._pictures.get(number)

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self._clock.wait(self._bell, LOOK_S)
            self._bell.clear()
            self.draw()

    def draw(self) -> None:
        """Make the thumbnails that wait. A stricter setting takes the old ones away."""
        privacy = self._privacy()
        while self._frames:
            number, pixels = self._frames.popleft()
            if picture := shown_bytes(pixels, privacy):
                self._pictures[number] = picture
        with self._changed:
            kept = {item.number for item in self._items} if privacy is not Privacy.NEVER else set()
            self._pictures = {number: picture for number, picture in self._pictures.items() if number in kept}


def _shown(number: int, seen: Seen) -> ShownItem:
    told = seen.told
    return ShownItem(
        number=number,
        line=seen.line,
        item=told.item,
        verdict=told.verdict,
        label=told.label,
        cannot_judge=told.cannot_judge,
        score_ratio=told.score_ratio,
        told_ms=told.told_ms,
        at_ms=seen.at_ms,
        is_recorded=told.is_recorded,
    )
