"""What agent, reference data and shadow candidate each do with their signed file."""

import logging
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec

from edge_agent import __version__
from edge_agent.clock import Clock
from edge_agent.contract.engines import ModelBroken
from edge_agent.contract.package import read_reference
from edge_agent.contract.parity import GoldenBroken, read_golden
from edge_agent.durable import sync_folder, write_durably
from edge_agent.pipeline.judging import JudgingModel
from edge_agent.update.extras import Progress
from edge_agent.update.manifest import incompatibility, open_package
from edge_agent.update.pointer import ENVIRONMENTS_FOLDER, given_up, proven, read_pointer, tried, write_pointer
from edge_agent.update.slots import load_model
from edge_agent.update.trial import TrialReport, environment, isolation
from edge_agent.update.versions import VersionDamaged, Versions
from edge_agent.update.wheels import install_wheel
from edge_agent.values import Digest, InstalledVersion
from edge_agent.wire.messages import Hardware, ModelOffer
from edge_agent.wire.words import OfferKind

logger = logging.getLogger(__name__)

REFERENCE_FOLDER = "reference"
REFERENCE_FILE = "reference.json"
SHADOW_FOLDER = "shadow"
HEALTHY_S = 30.0
"""A new agent whose parts have all run for so long without a failure reports itself healthy."""
_IMPORT_TIMEOUT_S = 60.0
_IMPORT_ALL = "import edge_agent.__main__, edge_agent.agent; print(edge_agent.__version__)"


@dataclass(frozen=True, slots=True)
class Process:
    """The process that we are. launched_as: the installation, as the launcher named it; None without a launcher."""

    launched_as: str | None
    restart: Callable[[], None]
    is_well: Callable[[], bool]
    """No part has failed since the start."""


class AgentExtra:
    """The agent itself: a wheel in an installation of its own, started on trial by the launcher."""

    kind = OfferKind.AGENT

    def __init__(self, folder: Path, process: Process, clock: Clock, *, healthy_s: float = HEALTHY_S) -> None:
        self._folder = folder
        self._process = process
        self._clock = clock
        self._healthy_at_s = clock.monotonic_s() + healthy_s

    @property
    def active_digest(self) -> str | None:
        name = self._process.launched_as
        return name if name and name != "base" else None

    def install(self, offer: ModelOffer, file: Path) -> None:
        install_wheel(file, self._place(offer))

    def try_out(self, offer: ModelOffer, stop: threading.Event) -> str:
        """Import all of it in a process of its own: what it needs and this machine lacks shows here."""
        del stop
        if self._process.launched_as is None:
            return "launcher_missing: this agent was not started by edge_agent.launcher"
        words = [*isolation(), sys.executable, "-P", "-c", _IMPORT_ALL]
        surroundings = {**environment(), "PYTHONPATH": str(self._place(offer))}
        try:
            child = subprocess.run(words, env=surroundings, capture_output=True, timeout=_IMPORT_TIMEOUT_S, check=False)
        except subprocess.TimeoutExpired:
            return "agent_hangs: it cannot be imported"
        last_line = child.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        return f"agent_broken: {last_line}" if child.returncode else ""

    def use(self, offer: ModelOffer) -> None:
        pointer = read_pointer(self._folder)
        if offer.digest in (pointer.trial, pointer.active, pointer.failed):
            return
        write_pointer(self._folder, tried(pointer, offer.digest))
        self._process.restart()

    def progress(self, offer: ModelOffer) -> Progress:
        pointer = read_pointer(self._folder)
        if pointer.active == offer.digest:
            self._prune()
            return Progress.PROVEN
        if pointer.failed == offer.digest:
            return Progress.FAILED
        is_running = pointer.trial == offer.digest == self._process.launched_as
        if is_running and self._clock.monotonic_s() >= self._healthy_at_s and self._process.is_well():
            write_pointer(self._folder, proven(pointer, offer.digest))
            return Progress.PROVEN
        return Progress.WAITING

    def drop(self, offer: ModelOffer) -> None:
        pointer = read_pointer(self._folder)
        if pointer.trial == offer.digest:
            write_pointer(self._folder, given_up(pointer))
            self._process.restart()

    def _place(self, offer: ModelOffer) -> Path:
        folder = self._folder / ENVIRONMENTS_FOLDER
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder / offer.digest

    def _prune(self) -> None:
        pointer = read_pointer(self._folder)
        for place in (self._folder / ENVIRONMENTS_FOLDER).iterdir():
            if place.name not in (pointer.active, pointer.previous, pointer.trial):
                shutil.rmtree(place, ignore_errors=True)


class _ReferencePointer(msgspec.Struct, frozen=True):
    active: str = ""


def current_reference(folder: Path) -> Path | None:
    """Where the reference data in force lies; None when there is none."""
    name = _reference_pointer(folder).active
    place = folder / REFERENCE_FOLDER / name
    return place if name and place.is_dir() else None


def _reference_pointer(folder: Path) -> _ReferencePointer:
    try:
        return msgspec.json.decode((folder / REFERENCE_FILE).read_bytes(), type=_ReferencePointer)
    except (OSError, msgspec.DecodeError):
        return _ReferencePointer()


class ReferenceExtra:
    """Golden frames, quality baselines, masks: files that are there as a whole or not at all."""

    kind = OfferKind.REFERENCE

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def active_digest(self) -> str | None:
        return _reference_pointer(self._folder).active or None

    def install(self, offer: ModelOffer, file: Path) -> None:
        with file.open("rb") as opened:
            _, contents = read_reference(opened)
        above = self._folder / REFERENCE_FOLDER
        fresh = above / f".{offer.digest}.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700, parents=True)
        for name, content in contents.items():
            write_durably(fresh / name, content)
        shutil.rmtree(above / offer.digest, ignore_errors=True)
        fresh.rename(above / offer.digest)
        sync_folder(above)

    def try_out(self, offer: ModelOffer, stop: threading.Event) -> str:
        """Golden frames among them must be readable."""
        del stop
        golden = self._folder / REFERENCE_FOLDER / offer.digest / "golden.npz"
        try:
            if golden.exists():
                read_golden(golden.read_bytes())
        except GoldenBroken as exc:
            return f"golden_broken: {exc}"
        return ""

    def use(self, offer: ModelOffer) -> None:
        write_durably(self._folder / REFERENCE_FILE, msgspec.json.encode(_ReferencePointer(offer.digest)))
        for place in (self._folder / REFERENCE_FOLDER).iterdir():
            if place.name != offer.digest:
                shutil.rmtree(place, ignore_errors=True)

    def progress(self, offer: ModelOffer) -> Progress:
        return Progress.PROVEN if self.active_digest == offer.digest else Progress.FAILED

    def drop(self, offer: ModelOffer) -> None:
        """What is in force stays: no reference data is worse than old reference data."""


class ShadowSlot(Protocol):
    """Where a candidate is put to look on."""

    candidate: JudgingModel | None
    window_count: int


class ShadowExtra:
    """A candidate beside the active model. It is never done: it looks on for as long as it is offered."""

    kind = OfferKind.SHADOW

    def __init__(
        self,
        folder: Path,
        slot: ShadowSlot,
        hardware: Hardware,
        *,
        trial: Callable[[InstalledVersion, threading.Event], TrialReport],
    ) -> None:
        self._versions = Versions(folder / SHADOW_FOLDER)
        self._slot = slot
        self._hardware = hardware
        self._trial = trial
        self._windows_before = 0

    @property
    def active_digest(self) -> str | None:
        candidate = self._slot.candidate
        return candidate.digest if candidate else None

    def install(self, offer: ModelOffer, file: Path) -> None:
        with file.open("rb") as opened:
            self._versions.install(open_package(opened), Digest(offer.digest))

    def try_out(self, offer: ModelOffer, stop: threading.Event) -> str:
        try:
            version = self._versions.load(Digest(offer.digest))
        except VersionDamaged as exc:
            return f"package_damaged: {exc}"
        reason = incompatibility(version.manifest, self._hardware, agent_version=__version__)
        return reason or self._trial(version, stop).reason

    def use(self, offer: ModelOffer) -> None:
        try:
            version = self._versions.load(Digest(offer.digest))
        except VersionDamaged as exc:
            raise ModelBroken(str(exc)) from exc
        self._windows_before = self._slot.window_count
        self._slot.candidate = load_model(version)

    def progress(self, offer: ModelOffer) -> Progress:
        del offer
        has_worked = self._slot.window_count > self._windows_before
        return Progress.WORKING if has_worked else Progress.WAITING

    def drop(self, offer: ModelOffer) -> None:
        del offer
        self._slot.candidate = None
        self._versions.prune(())
