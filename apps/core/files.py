"""Files kept by content: a name is the SHA-256 of the bytes, so a file is complete and right, or not there.

Uploads may arrive in pieces and survive a restart of either side; a piece counts once it is on the disk.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

from apps.core.errors import Conflict, Unavailable, Wrong

READ_BYTES = 1024 * 1024


def path_of(sha256: str) -> Path:
    """Where the file with this content lies, whether or not it is there."""
    if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
        raise Wrong("A file's name is the SHA-256 of its content, in hex.", code="bad_file_name")
    return Path(settings.FILES_DIR) / sha256[:2] / sha256


def exists(sha256: str) -> bool:
    return path_of(sha256).exists()


def read(sha256: str) -> bytes:
    return path_of(sha256).read_bytes()


def store(content: bytes) -> str:
    """Keep these bytes durably and return their SHA-256. Keeping them twice is the same as once."""
    sha256 = hashlib.sha256(content).hexdigest()
    target = path_of(sha256)
    if not target.exists():
        draft = _draft(target, suffix=f".{os.getpid()}")
        with _disk_errors(), draft.open("wb") as stream:
            stream.write(content)
            _sync(stream.fileno())
        _publish(draft, target)
    return sha256


def store_file(source: Path) -> str:
    """As `store`, for a file that is already on a disk."""
    return store(source.read_bytes())


def upload_offset(sha256: str) -> int:
    """How many bytes of this upload are here; the whole size once it is complete."""
    target = path_of(sha256)
    if target.exists():
        return target.stat().st_size
    part = _draft(target, suffix=".part")
    return part.stat().st_size if part.exists() else 0


def upload_append(sha256: str, *, offset: int, data: bytes, size_bytes: int) -> int:
    """Add a piece at `offset` and return the new offset; at `size_bytes` the content is checked and kept.

    Raises Conflict when the offset is not where the upload stands, and Wrong when the bytes are not what their
    name says; they are then dropped as a whole.
    """
    target = path_of(sha256)
    if target.exists():
        return size_bytes
    here = upload_offset(sha256)
    if offset != here:
        raise Conflict(f"This upload stands at byte {here}.", code="wrong_offset", fields={"offset": str(here)})
    if here + len(data) > size_bytes:
        raise Wrong("More bytes than the upload announced.", code="too_many_bytes")
    part = _draft(target, suffix=".part")
    with _disk_errors(), part.open("ab") as stream:
        stream.write(data)
        _sync(stream.fileno())
    if here + len(data) == size_bytes:
        _finish(part, target, sha256)
    return here + len(data)


def _finish(part: Path, target: Path, sha256: str) -> None:
    if _sha256(part) != sha256:
        part.unlink()
        raise Wrong("The bytes are not what their SHA-256 says; send them again from the start.", code="bad_checksum")
    _publish(part, target)


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while piece := stream.read(READ_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def _draft(target: Path, *, suffix: str) -> Path:
    folder = Path(settings.FILES_DIR) / "incoming"
    with _disk_errors():
        folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{target.name}{suffix}"


def _publish(draft: Path, target: Path) -> None:
    with _disk_errors():
        target.parent.mkdir(parents=True, exist_ok=True)
        draft.replace(target)
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            _sync(folder)
        finally:
            os.close(folder)


def _sync(descriptor: int) -> None:
    os.fsync(descriptor)


@contextlib.contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise Unavailable(f"The server cannot store files now: {exc.strerror}.", code="storage_full") from exc
