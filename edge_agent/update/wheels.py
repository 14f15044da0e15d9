"""A signed wheel of the agent, unpacked as an installation of its own. Without pip: no network, no index, no build."""

import base64
import csv
import hashlib
import io
import os
import re
import shutil
import zipfile
from pathlib import Path

from edge_agent.durable import sync_folder
from edge_agent.update.manifest import PackageRefused

PROJECT = "hybridai_edge_agent"
BYTES_MAX = 64 * 1024 * 1024
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")
_ZIP_ERRORS = (zipfile.BadZipFile, OSError, EOFError, ValueError, RuntimeError, NotImplementedError)


def install_wheel(file: Path, target: Path) -> None:
    """Unpack into `target`. On return it survives a power cut; before, there is no such installation.

    Raises PackageRefused when it is no pure wheel of this agent whose every file is what its RECORD lists, OSError.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            contents = _checked(archive)
    except _ZIP_ERRORS as exc:
        raise PackageRefused("wheel_damaged", str(exc)) from exc
    fresh = target.with_name(f".{target.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    for name, content in contents.items():
        _write(fresh / name, content)
    for folder in [fresh, *(path for path in fresh.rglob("*") if path.is_dir())]:
        sync_folder(folder)
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)
    sync_folder(target.parent)


def _checked(archive: zipfile.ZipFile) -> dict[str, bytes]:
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    if sum(entry.file_size for entry in entries) > BYTES_MAX:
        raise PackageRefused("wheel_too_large", f"more than {BYTES_MAX} bytes")
    info = next((entry.filename.partition("/")[0] for entry in entries if entry.filename.endswith("/WHEEL")), "")
    for entry in entries:
        if not _NAME.fullmatch(entry.filename) or entry.filename.partition("/")[0] not in ("edge_agent", info):
            raise PackageRefused("wheel_name", f"{entry.filename[:80]!r} does not belong into the agent's wheel.")
    contents = {entry.filename: archive.read(entry) for entry in entries}
    if not info.startswith(f"{PROJECT}-") or "edge_agent/__init__.py" not in contents:
        raise PackageRefused("wheel_foreign", "This is no wheel of the agent.")
    if b"Root-Is-Purelib: true" not in contents[f"{info}/WHEEL"]:
        raise PackageRefused("wheel_foreign", "The agent's wheel holds no compiled code.")
    _require_recorded(contents, f"{info}/RECORD")
    return contents


def _require_recorded(contents: dict[str, bytes], record_name: str) -> None:
    if record_name not in contents:
        raise PackageRefused("wheel_record", "RECORD is missing.")
    rows = csv.reader(io.StringIO(contents[record_name].decode()))
    listed = {row[0]: row[1] for row in rows if len(row) == 3}
    if set(listed) != set(contents):
        raise PackageRefused("wheel_record", f"RECORD and files differ: {sorted(set(listed) ^ set(contents))}"[:200])
    for name, digest in listed.items():
        if name != record_name and digest != _record_digest(contents[name]):
            raise PackageRefused("wheel_record", f"{name} is not what RECORD lists.")


def _record_digest(content: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
