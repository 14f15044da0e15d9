"""What the cameras' good pictures look like: learned beside the line, and kept over restarts."""

import hashlib
import logging
import queue
import threading
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edge_agent.contract.quality import Calibrator, QualityWatch
from edge_agent.durable import write_durably
from edge_agent.wire.quality import QualityBaseline

logger = logging.getLogger(__name__)

LOOK_S = 0.5


@dataclass(frozen=True, slots=True)
class Subject:
    """One camera that shows one kind of part: what a baseline belongs to."""

    camera: str
    product: str


class _Saved(msgspec.Struct, frozen=True, kw_only=True):
    camera: str
    product: str
    baseline: QualityBaseline


class Baselines:
    """The baselines of a device. Loops ask and hand over; the part's own thread computes and writes."""

    name = "quality"

    def __init__(self, folder: Path) -> None:
        """Reads what was learned before; a damaged file costs learning anew. Raises OSError."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._known = _read_all(folder)
        self._handed: queue.SimpleQueue[tuple[Subject, Calibrator]] = queue.SimpleQueue()

    def known(self, subject: Subject) -> QualityBaseline | None:
        """None: not learned yet. Never blocks."""
        return self._known.get(subject)

    def learn(self, subject: Subject, calibrator: Calibrator) -> None:
        """Take over a complete calibrator; its baseline is known within a second or so. Never blocks."""
        self._handed.put((subject, calibrator))

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                subject, calibrator = self._handed.get(timeout=LOOK_S)
            except queue.Empty:
                continue
            self._finish(subject, calibrator)

    def _finish(self, subject: Subject, calibrator: Calibrator) -> None:
        baseline = calibrator.baseline()
        saved = _Saved(camera=subject.camera, product=subject.product, baseline=baseline)
        try:
            write_durably(self._folder / _file_name(subject), msgspec.msgpack.encode(saved))
        except OSError as exc:
            # It holds until the restart; then it is learned again.
            logger.warning("baseline_not_saved camera=%s error=%s", subject.camera, exc)
        self._known[subject] = baseline
        logger.info(
            "baseline_learned camera=%s product=%s frames=%d", subject.camera, subject.product, baseline.frame_count
        )


def _file_name(subject: Subject) -> str:
    """Names come from people, and no name of theirs may lead out of the folder."""
    return hashlib.sha256(f"{subject.camera}\x00{subject.product}".encode()).hexdigest()[:32] + ".msgpack"


def _read_all(folder: Path) -> dict[Subject, QualityBaseline]:
    found = {}
    for path in sorted(folder.glob("*.msgpack")):
        try:
            saved = msgspec.msgpack.decode(path.read_bytes(), type=_Saved)
            QualityWatch(saved.baseline)
        except (OSError, ValueError) as exc:  # msgspec's errors are ValueErrors, and so are other tiles than ours
            logger.warning("baseline_unreadable file=%s error=%s", path.name, exc)
            continue
        found[Subject(camera=saved.camera, product=saved.product)] = saved.baseline
    return found
