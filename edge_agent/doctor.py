"""What a person at the machine needs to know first. Reads only; may run beside the agent."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import psutil

from edge_agent import __version__
from edge_agent.cloud import CloudError, CloudProbe
from edge_agent.contract.engines import EngineUnavailable, missing_engines, runtime_of
from edge_agent.hardware import hardware
from edge_agent.identity import Identity, IdentityError, load_identity
from edge_agent.update.extra_kinds import current_reference
from edge_agent.update.pointer import read_pointer
from edge_agent.update.slots import chosen_digests
from edge_agent.update.versions import Versions
from edge_agent.values import Digest
from edge_agent.wire.messages import Hardware

CLOCK_OFFSET_MAX_MS = 30_000
"""Beyond it requests need a second signature, and time stamps mislead people."""
DISK_FREE_MIN_BYTES = 500 * 1024 * 1024


class Footprint(msgspec.Struct, frozen=True, kw_only=True):
    """data_bytes: what lies in the data folder, by entry."""

    doctor_memory_bytes: int
    data_bytes: dict[str, int]


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """problems: sentences for people; empty when all is well."""

    agent_version: str
    device: str = ""
    device_id: str = ""
    public_key: str = ""
    cloud_url: str = ""
    active_version: str = ""
    previous_version: str = ""
    installation: str = ""
    """Of the agent itself, as the launcher would start it; empty is the base installation."""
    reference: str = ""
    hardware: Hardware
    engines_missing: dict[str, str] = {}
    """By name, how to install what is not here. No problem by itself: most machines need one engine."""
    disk_free_bytes: int
    memory_available_bytes: int
    cloud_round_trip_ms: float | None = None
    clock_ahead_ms: int | None = None
    footprint: Footprint
    problems: list[str]


CloudProber = Callable[[Identity], CloudProbe]
"""Raises CloudError."""


def diagnose(folder: Path, *, versions_folder: Path, probe: CloudProber) -> Diagnosis:
    """Look at everything; what is wrong is a sentence in `problems`, never an exception, but for OSError."""
    problems: list[str] = []
    identity = _identity(folder, problems)
    reached = _reached(identity, probe, problems)
    active, previous = chosen_digests(folder)
    disk_free_bytes = psutil.disk_usage(str(folder)).free
    if disk_free_bytes < DISK_FREE_MIN_BYTES:
        problems.append(f"Only {disk_free_bytes // 1024**2} MB are free on the data folder's disk.")
    machine = hardware()
    if not machine.engines:
        problems.append("No inference engine is installed: every item will be judged `cannot_judge`.")
    return Diagnosis(
        agent_version=__version__,
        device=identity.device.name if identity else "",
        device_id=identity.device.device_id if identity else "",
        public_key=identity.keys.public_key if identity else "",
        cloud_url=identity.device.cloud_url if identity else "",
        active_version=_version_text(versions_folder, active, problems),
        previous_version=_version_text(versions_folder, previous, problems),
        installation=_installation(folder, problems),
        reference=_reference(folder),
        hardware=machine,
        engines_missing=missing_engines(),
        disk_free_bytes=disk_free_bytes,
        memory_available_bytes=psutil.virtual_memory().available,
        cloud_round_trip_ms=round(reached.round_trip_ms, 1) if reached else None,
        clock_ahead_ms=reached.wall_offset_ms if reached else None,
        footprint=_footprint(folder),
        problems=problems,
    )


def diagnosis_text(diagnosis: Diagnosis) -> str:
    """JSON for people and programs."""
    return msgspec.json.format(msgspec.json.encode(diagnosis), indent=2).decode()


def _identity(folder: Path, problems: list[str]) -> Identity | None:
    try:
        return load_identity(folder)
    except IdentityError as exc:
        problems.append(str(exc))
        return None


def _reached(identity: Identity | None, probe: CloudProber, problems: list[str]) -> CloudProbe | None:
    if identity is None:
        return None
    try:
        reached = probe(identity)
    except CloudError as exc:
        problems.append(f"The cloud does not answer: {exc}")
        return None
    if reached.wall_offset_ms is not None and abs(reached.wall_offset_ms) > CLOCK_OFFSET_MAX_MS:
        problems.append(f"This machine's clock is {reached.wall_offset_ms / 1000:+.0f} s off.")
    return reached


def _version_text(versions_folder: Path, digest: Digest | None, problems: list[str]) -> str:
    if digest is None:
        return ""
    version = Versions(versions_folder).find(digest)
    if version is None:
        problems.append(f"Version {digest[:12]} is missing or damaged on disk.")
        return digest[:12]
    _require_engine(version.manifest.compatibility.engine, problems)
    return f"{version.manifest.name} {version.manifest.version} ({digest[:12]})"


def _installation(folder: Path, problems: list[str]) -> str:
    pointer = read_pointer(folder)
    if pointer.failed:
        problems.append(f"The agent's new installation {pointer.failed[:12]} did not report healthy.")
    return (pointer.trial or pointer.active)[:12]


def _reference(folder: Path) -> str:
    place = current_reference(folder)
    return place.name[:12] if place else ""


def _require_engine(name: str, problems: list[str]) -> None:
    try:
        runtime = runtime_of(name)
    except EngineUnavailable as exc:
        problems.append(str(exc))
        return
    if runtime.version is None:
        problems.append(runtime.missing_text)


def _footprint(folder: Path) -> Footprint:
    return Footprint(
        doctor_memory_bytes=psutil.Process().memory_info().rss,
        data_bytes={entry.name: _size_bytes(entry) for entry in sorted(folder.iterdir())},
    )


def _size_bytes(path: Path) -> int:
    if path.is_dir():
        return sum(_size_bytes(entry) for entry in path.iterdir())
    try:
        return path.lstat().st_size
    except FileNotFoundError:
        # The running agent deleted it meanwhile.
        return 0
