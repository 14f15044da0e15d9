"""A camera that shows the images of a folder in a seeded, endlessly reshuffled order."""

import hashlib
import logging
import random
import time
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from edge_agent.clock import Clock
from edge_agent.config import ReplayConfig
from edge_agent.contract.preprocessing import NotAnImage, decode
from edge_agent.line.camera import BadFrame, CameraFault, Part, PartNames
from edge_agent.values import Frame

logger = logging.getLogger(__name__)

PARTS_FILE = "parts.toml"
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp"})


class FileNames(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    product: str = ""
    lot: str = ""


class PartsFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`parts.toml` beside the images: which product and lot a file shows; empty fields leave the configured ones."""

    files: dict[str, FileNames] = {}


@dataclass(slots=True)
class _Reel:
    """What is left of the current pass."""

    names: list[str] = field(default_factory=list)
    pass_count: int = 0
    scan_due_s: float = 0.0


class ReplayCamera:
    """Each shown image is a new part. The folder is looked at again every `rescan_s`; a removed file leaves at once."""

    def __init__(self, config: ReplayConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._part_names = PartNames(config.product, config.lot)
        self._names: list[str] = []
        self._parts = PartsFile()
        self._reel = _Reel()

    def capture(self) -> Frame:
        start_s = time.perf_counter()
        name, encoded = self._next_image()
        captured_ms = self._clock.wall_ms()
        part = self._part(name, encoded)
        try:
            pixels = decode(encoded)
        except NotAnImage as exc:
            raise BadFrame(f"{name}: {exc}", part) from exc
        return Frame(
            pixels=pixels,
            encoded=encoded,
            item=part.item,
            product=part.product,
            lot=part.lot,
            source=part.source,
            captured_ms=captured_ms,
            capture_ms=(time.perf_counter() - start_s) * 1000,
        )

    def _next_image(self) -> tuple[str, bytes]:
        """Raises CameraFault when the folder has nothing to show."""
        self._rescan_when_due()
        while self._reel.names or self._names:
            if not self._reel.names:
                self._reshuffle()
            name = self._reel.names.pop()
            try:
                return name, (self._config.folder / name).read_bytes()
            except OSError:
                self._names.remove(name)
                self._reel.names = [other for other in self._reel.names if other != name]
        raise CameraFault(f"no image in {self._config.folder}")

    def _rescan_when_due(self) -> None:
        # An empty folder is looked at with each beat: the first picture should not wait for the next scan.
        if self._names and self._clock.monotonic_s() < self._reel.scan_due_s:
            return
        self._reel.scan_due_s = self._clock.monotonic_s() + self._config.rescan_s
        names = _image_names(self._config.folder)
        if names != self._names:
            logger.info("replay_scanned folder=%s images=%d", self._config.folder, len(names))
            self._names, self._reel.names = names, []
            self._parts = _parts(self._config.folder / PARTS_FILE)

    def _reshuffle(self) -> None:
        self._reel.pass_count += 1
        self._reel.names = list(self._names)
        random.Random(f"{self._config.seed}-{self._reel.pass_count}").shuffle(self._reel.names)  # noqa: S311  an order

    def _part(self, name: str, encoded: bytes) -> Part:
        names = self._parts.files.get(name, FileNames())
        source = hashlib.sha256(encoded).hexdigest()
        return self._part_names.next_part(product=names.product, lot=names.lot, source=source)


def _image_names(folder: Path) -> list[str]:
    """Sorted, so that the order depends on the seed alone. Empty when there is no such folder."""
    try:
        return sorted(path.name for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    except OSError:
        return []


def _parts(path: Path) -> PartsFile:
    try:
        return msgspec.toml.decode(path.read_bytes(), type=PartsFile)
    except FileNotFoundError:
        return PartsFile()
    except (msgspec.DecodeError, UnicodeDecodeError, OSError) as exc:
        # Product and lot are labels; without them the line still runs.
        logger.warning("parts_unreadable file=%s error=%s", path, exc)
        return PartsFile()
