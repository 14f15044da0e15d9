"""One picture for a person far away, no more of it than the privacy setting allows."""

import base64
import hashlib
import threading
from collections.abc import Callable, Mapping

import msgspec

from edge_agent.clock import Clock
from edge_agent.pipeline.onlookers import Seen
from edge_agent.pipeline.privacy import blurred, jpeg, thumbnail
from edge_agent.values import Pixels
from edge_agent.wire.configuration import Privacy

JPEG_BYTES_MAX = 14_000
"""Fits, as base64, into the text of an answer."""
_HALVINGS_MAX = 8


class NoSnapshot(Exception):
    """There is no picture to give, or none may be given."""


class SnapshotAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """age_s: since the picture was taken. sha256: of the JPEG."""

    line: str
    item: str
    verdict: str
    age_s: float
    privacy: Privacy
    width_px: int
    height_px: int
    sha256: str
    jpeg_base64: str


class LastSeen:
    """Keeps the last picture of each line, and nothing else of it."""

    def __init__(self, clock: Clock, privacy: Callable[[], Privacy]) -> None:
        self._clock = clock
        self._privacy = privacy
        self._lock = threading.Lock()
        self._seen: dict[str, tuple[Seen, float]] = {}

    def saw(self, seen: Seen) -> None:
        if seen.frame is not None:
            with self._lock:
                self._seen[seen.line] = (seen, self._clock.monotonic_s())

    def snapshot(self, arguments: Mapping[str, str]) -> str:
        """JSON with the last picture of `arguments["line"]`, or of the line that was seen last. Raises NoSnapshot."""
        privacy = self._privacy()
        if privacy is Privacy.NEVER:
            raise NoSnapshot("the privacy setting of this device lets no picture leave it")
        seen, seen_s = self._picked(arguments.get("line", ""))
        assert seen.frame is not None
        pixels, encoded = small_jpeg(shown(seen.frame.pixels, privacy))
        answer = SnapshotAnswer(
            line=seen.line,
            item=seen.frame.item,
            verdict=seen.judgement.verdict,
            age_s=round(self._clock.monotonic_s() - seen_s, 1),
            privacy=privacy,
            width_px=pixels.shape[1],
            height_px=pixels.shape[0],
            sha256=hashlib.sha256(encoded).hexdigest(),
            jpeg_base64=base64.b64encode(encoded).decode(),
        )
        return msgspec.json.encode(answer).decode()

    def _picked(self, line: str) -> tuple[Seen, float]:
        with self._lock:
            held = [one for name, one in self._seen.items() if line in ("", name)]
        if not held:
            raise NoSnapshot("no picture was seen yet" if not line else f"no picture of line {line!r} was seen yet")
        return max(held, key=lambda one: one[1])


def shown(pixels: Pixels, privacy: Privacy) -> Pixels:
    if privacy is Privacy.BLURRED:
        return blurred(pixels)
    return thumbnail(pixels) if privacy is Privacy.THUMBNAILS else pixels


def small_jpeg(pixels: Pixels, *, bytes_max: int = JPEG_BYTES_MAX) -> tuple[Pixels, bytes]:
    """The picture, halved until it fits; so the largest one that does, within a factor of two."""
    for _ in range(_HALVINGS_MAX):
        encoded = jpeg(pixels)
        if len(encoded) <= bytes_max or min(pixels.shape[:2]) < 2:
            break
        pixels = pixels[::2, ::2].copy()
    return pixels, encoded
