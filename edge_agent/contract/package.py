"""A model package, opened without trusting it: only listed files, of the listed sizes and checksums.

Both sides open packages here: what the registry accepts, a device does not refuse, and the reverse.
"""

import hashlib
import re
import struct
import zipfile
from collections.abc import Iterator
from typing import BinaryIO, TypeVar

import msgspec

from edge_agent.wire.manifest import MANIFEST_NAME, Manifest, PackageFile, ReferenceManifest

M = TypeVar("M", Manifest, ReferenceManifest)

FORMAT = 1
FILES_MAX = 32
MANIFEST_BYTES_MAX = 1024 * 1024
PACKAGE_BYTES_MAX = 2 * 1024**3
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""No folders: a path that leads out of the package's folder cannot even be written."""
_CHUNK_BYTES = 1024 * 1024
_ZIP_ERRORS = (zipfile.BadZipFile, OSError, EOFError, ValueError, RuntimeError, NotImplementedError, struct.error)


class PackageRefused(Exception):
    """This package is wrong, and will be each time. `code` is stable."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text


class Package:
    """A package whose names, sizes and checksums all hold."""

    def __init__(self, archive: zipfile.ZipFile, manifest: Manifest) -> None:
        self._archive = archive
        self.manifest = manifest

    @property
    def names(self) -> list[str]:
        return [MANIFEST_NAME, *self.manifest.files]

    def pieces(self, name: str) -> Iterator[bytes]:
        yield from _pieces(self._archive, name)


def open_package(file: BinaryIO) -> Package:
    """Check everything in the package and return it. Reads each byte once. Raises PackageRefused."""
    archive = _opened(file)
    entries = _entries(archive)
    manifest = _manifest(archive, entries, Manifest)
    _require_files(archive, entries, manifest.files)
    for name in (manifest.model_file, manifest.golden.file):
        if name not in manifest.files:
            raise PackageRefused("package_files", f"{name} is missing.")
    return Package(archive, manifest)


def read_reference(file: BinaryIO) -> tuple[ReferenceManifest, dict[str, bytes]]:
    """A package of reference data by the same rules: its manifest and its files' contents. Raises PackageRefused."""
    archive = _opened(file)
    entries = _entries(archive)
    manifest = _manifest(archive, entries, ReferenceManifest)
    _require_files(archive, entries, manifest.files)
    return manifest, {name: b"".join(_pieces(archive, name)) for name in manifest.files}


def _opened(file: BinaryIO) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(file)
    except _ZIP_ERRORS as exc:
        raise PackageRefused("package_not_zip", str(exc)) from exc


def _entries(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    listed = archive.infolist()
    if len(listed) > FILES_MAX:
        raise PackageRefused("package_too_large", f"{len(listed)} files; at most {FILES_MAX} are allowed.")
    for entry in listed:
        _require_plain(entry)
    if sum(entry.file_size for entry in listed) > PACKAGE_BYTES_MAX:
        raise PackageRefused("package_too_large", f"more than {PACKAGE_BYTES_MAX} bytes")
    entries = {entry.filename: entry for entry in listed}
    if len(entries) != len(listed):
        raise PackageRefused("package_name", "Two files have the same name.")
    return entries


def _require_plain(entry: zipfile.ZipInfo) -> None:
    if not _PLAIN_NAME.fullmatch(entry.filename):
        raise PackageRefused("package_name", f"{entry.filename[:80]!r} is no plain file name.")
    # Stored files have the size they declare, so no small package can unfold into a huge one.
    if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size or entry.flag_bits & 0x1:
        raise PackageRefused("package_compressed", f"{entry.filename} is compressed or encrypted; it must be stored.")


def _manifest(archive: zipfile.ZipFile, entries: dict[str, zipfile.ZipInfo], kind: type[M]) -> M:
    entry = entries.get(MANIFEST_NAME)
    if entry is None or entry.file_size > MANIFEST_BYTES_MAX:
        raise PackageRefused("manifest_missing", f"{MANIFEST_NAME} is missing or too large.")
    try:
        manifest = msgspec.json.decode(b"".join(_pieces(archive, MANIFEST_NAME)), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise PackageRefused("manifest_invalid", str(exc)) from exc
    if manifest.format != FORMAT:
        raise PackageRefused("manifest_format", f"format {manifest.format}; this agent reads {FORMAT}")
    return manifest


def _require_files(
    archive: zipfile.ZipFile, entries: dict[str, zipfile.ZipInfo], listed: dict[str, PackageFile]
) -> None:
    differing = (set(entries) - {MANIFEST_NAME}) ^ set(listed)
    if differing:
        raise PackageRefused("package_files", f"listed and present files differ: {sorted(differing)}"[:300])
    for name, file in listed.items():
        _require_content(archive, entries[name], file)


def _require_content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, listed: PackageFile) -> None:
    if entry.file_size != listed.size_bytes:
        raise PackageRefused("package_checksum", f"{entry.filename} has {entry.file_size} bytes")
    checksum = hashlib.sha256()
    for piece in _pieces(archive, entry.filename):
        checksum.update(piece)
    if checksum.hexdigest() != listed.sha256:
        raise PackageRefused("package_checksum", f"{entry.filename} is not what the manifest lists.")


def _pieces(archive: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    try:
        with archive.open(name) as file:
            while piece := file.read(_CHUNK_BYTES):
                yield piece
    except _ZIP_ERRORS as exc:
        raise PackageRefused("package_damaged", f"{name}: {exc}") from exc
