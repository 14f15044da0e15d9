"""A folder with one sub-folder of images per class."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from apps.datasets.outside.sources import Skipped, SourceImage, SourceMissing
from edge_agent.contract.preprocessing import IMAGE_BYTES_MAX

FILE_COUNT_MAX = 20_000
"""Near-duplicates are found by comparing all pairs; at this count that takes seconds, not minutes."""
TOTAL_BYTES_MAX = 20 * 1024**3
GOOD_NAMES = ("good", "ok", "normal", "pass")


class FolderSource:
    def __init__(self, folder: Path, *, labels: Sequence[str] | None = None) -> None:
        """labels: which sub-folders are classes, good first; None takes all, the good one by its name.

        Raises SourceMissing when the folder, its classes or its files are missing, or are too many.
        """
        if not folder.is_dir():
            raise SourceMissing(f"{folder.name or folder} is not a folder.")
        self._folder = folder
        self.labels = tuple(labels) if labels else _classes(folder)
        if len(self.labels) < 2:
            raise SourceMissing("The folder needs at least two sub-folders, one per class.")
        self._files = [file for label in self.labels for file in self._files_of(label)]
        if len(self._files) > FILE_COUNT_MAX:
            raise SourceMissing(f"The folder holds {len(self._files)} files; at most {FILE_COUNT_MAX} are allowed.")

    @property
    def count(self) -> int:
        return len(self._files)

    def entries(self) -> Iterator[SourceImage | Skipped]:
        total_bytes = 0
        for file in self._files:
            entry = self._entry(file)
            if isinstance(entry, SourceImage):
                total_bytes += len(entry.content)
                if total_bytes > TOTAL_BYTES_MAX:
                    entry = Skipped(entry.name, f"The folder's images exceed {TOTAL_BYTES_MAX} bytes in all.")
            yield entry

    def _files_of(self, label: str) -> list[Path]:
        if not (self._folder / label).is_dir():
            raise SourceMissing(f"The class {label} has no sub-folder.")
        found = [Path(root) / name for root, _, names in os.walk(self._folder / label) for name in names]
        return sorted(found)

    def _entry(self, file: Path) -> SourceImage | Skipped:
        inside = file.relative_to(self._folder)
        # A file system may hold names that are no text; a database may not.
        name = str(inside).encode(errors="replace").decode()
        # A link could point anywhere on this machine, and a pipe would wait for ever.
        if file.is_symlink() or not file.is_file():
            return Skipped(name, "It is not a plain file.")
        try:
            if file.stat().st_size > IMAGE_BYTES_MAX:
                return Skipped(name, f"It has more than {IMAGE_BYTES_MAX} bytes.")
            content = file.read_bytes()
        except OSError as exc:
            return Skipped(name, f"It cannot be read: {exc.strerror}.")
        return SourceImage(name=name, content=content, label=inside.parts[0])


def _classes(folder: Path) -> tuple[str, ...]:
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.is_symlink())
    return tuple(sorted(names, key=lambda name: name.lower() not in GOOD_NAMES))
