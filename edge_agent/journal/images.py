"""Image files beside the journal, named by their content. A file is whole and durable before a row speaks of it."""

import contextlib
import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

TEMPORARY_SUFFIX = ".part"


@dataclass(frozen=True, slots=True)
class ImageFile:
    """An encoded image to keep. `sha256` is that of `encoded`."""

    sha256: str
    encoded: bytes

    @classmethod
    def of(cls, encoded: bytes) -> "ImageFile":
        return cls(sha256=hashlib.sha256(encoded).hexdigest(), encoded=encoded)


class ImageFolder:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, sha256: str) -> Path:
        return self._folder / sha256

    def keep(self, image: ImageFile) -> None:
        """Write durably: temporary file, fsync, rename, fsync of the folder. Raises OSError."""
        path = self.path(image.sha256)
        temporary = path.with_suffix(TEMPORARY_SUFFIX)
        with temporary.open("wb") as file:
            file.write(image.encoded)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def read(self, sha256: str, offset: int, size_bytes: int) -> bytes:
        """Raises OSError when the file is gone."""
        with self.path(sha256).open("rb") as file:
            file.seek(offset)
            return file.read(size_bytes)

    def remove(self, sha256s: Iterable[str]) -> None:
        for sha256 in sha256s:
            # A file that stays is found and removed as unknown at the next open.
            with contextlib.suppress(OSError):
                self.path(sha256).unlink()

    def remove_unknown(self, known: set[str]) -> int:
        """Remove what a crash left without a row. Returns how many files that were."""
        unknown = [path for path in self._folder.iterdir() if path.name not in known]
        for path in unknown:
            path.unlink()
        return len(unknown)
