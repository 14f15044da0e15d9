"""A disk that forgets what was not synced when its supply fails: a FUSE file system in a process of its own.

It holds every write in memory until fsync brings it to the folder behind, and can take back every name made,
renamed or removed until the folder's fsync: no more than POSIX promises. When the supply is cut, what was not synced is
lost, or, as real disks do, a seeded part of it survives: some writes, some torn at a sector, the first of the names.

Commands come one a line on standard input, and each is answered by one line; `python -m tests.kit.losing_disk BEHIND
MOUNT` starts it. Needs Linux, root, libfuse 2 and fusepy.
"""

# ruff: noqa: PTH101, PTH102, PTH104, PTH106, PTH108, PTH110, PTH120, PTH208
# The kernel speaks in path texts and handles here.
import contextlib
import errno
import os
import random
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import fuse

SECTOR_BYTES = 512
CHANGES = frozenset({"create", "write", "truncate", "fsync", "fsyncdir", "rename", "unlink", "mkdir", "rmdir"})
REFUSABLE = CHANGES - {"unlink", "rmdir"}


@dataclass
class HeldFile:
    """A file with writes that are not on the disk. content: as the programs see it. undone: in order, for the disk."""

    content: bytearray
    pending: list[tuple[int, bytes] | int] = field(default_factory=list)
    """(offset, bytes) of a write, or the length of a truncation."""


class LosingDisk(fuse.Operations):
    def __init__(self, behind: Path) -> None:
        self._behind = behind
        self._removed = behind.with_name(behind.name + ".removed")
        self._removed.mkdir(exist_ok=True)
        self._removed_count = 0
        self._held: dict[int, HeldFile] = {}
        self._names: list[tuple[str, Callable[[], None]]] = []
        """Folder and how to take back what was done in it."""
        self._lock = threading.Lock()
        self._cut_at: tuple[int, int] | None = None
        self._refusal: int | None = None
        self.change_count = 0

    def __call__(self, op, path, *args):
        with self._lock:
            if op in CHANGES:
                self.change_count += 1
                if self._cut_at is not None and self.change_count >= self._cut_at[0]:
                    self._die(self._cut_at[1])
            if self._refusal is not None and op in REFUSABLE:
                raise fuse.FuseOSError(self._refusal)
            return getattr(self, op)(str(self._behind) + path, *args)

    # Commands, from another thread

    def obey(self, command: str, *arguments: str) -> str:
        with self._lock:
            if command == "cut":
                self._die(int(arguments[0]))
            elif command == "cut_at":
                self._cut_at = (self.change_count + int(arguments[0]), int(arguments[1]))
            elif command == "refuse":
                self._refusal = getattr(errno, arguments[0]) if arguments else None
            return str(self.change_count)

    def _die(self, seed: int) -> None:
        """Even seeds lose all that was not synced, odd ones keep a part."""
        chance = random.Random(seed)
        keeps_part = bool(seed % 2)
        names_kept = chance.randint(0, len(self._names)) if keeps_part else 0
        if keeps_part:
            for inode, held in self._held.items():
                self._write_back(inode, _survivors(held.pending, chance))
        for _, take_back in reversed(self._names[names_kept:]):
            with contextlib.suppress(OSError):
                take_back()
        os._exit(0)

    def _write_back(self, inode: int, changes: list[tuple[int, bytes] | int]) -> None:
        path = self._path_of(inode)
        if path is None:
            return
        with path.open("r+b") as file:
            for change in changes:
                if isinstance(change, int):
                    file.truncate(change)
                else:
                    file.seek(change[0])
                    file.write(change[1])

    def _path_of(self, inode: int) -> Path | None:
        for folder in (self._behind, self._removed):
            for path in folder.rglob("*"):
                if path.lstat().st_ino == inode:
                    return path
        return None

    # Files

    def create(self, path, mode, info=None):
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, mode)
        self._names.append((_folder(path), lambda: os.unlink(path)))
        return handle

    def open(self, path, flags):
        # Opened for reading too, since a write holds the file's whole content.
        return os.open(path, os.O_RDWR if os.access(path, os.W_OK) else os.O_RDONLY)

    def read(self, path, size, offset, handle):
        held = self._held.get(os.fstat(handle).st_ino)
        return bytes(held.content[offset : offset + size]) if held else os.pread(handle, size, offset)

    def write(self, path, data, offset, handle):
        held = self._hold(handle)
        if offset > len(held.content):
            held.content.extend(bytes(offset - len(held.content)))
        held.content[offset : offset + len(data)] = data
        held.pending.append((offset, bytes(data)))
        return len(data)

    def truncate(self, path, length, handle=None):
        with contextlib.ExitStack() as stack:
            if handle is None:
                handle = os.open(path, os.O_RDWR)
                stack.callback(os.close, handle)
            held = self._hold(handle)
            del held.content[length:]
            held.content.extend(bytes(length - len(held.content)))
            held.pending.append(length)

    def fsync(self, path, datasync, handle):
        held = self._held.pop(os.fstat(handle).st_ino, None)
        for change in held.pending if held else ():
            if isinstance(change, int):
                os.ftruncate(handle, change)
            else:
                os.pwrite(handle, change[1], change[0])

    def flush(self, path, handle):
        """Closing a file syncs nothing."""

    def release(self, path, handle):
        os.close(handle)

    def _hold(self, handle: int) -> HeldFile:
        facts = os.fstat(handle)
        if facts.st_ino not in self._held:
            self._held[facts.st_ino] = HeldFile(bytearray(os.pread(handle, facts.st_size, 0)))
        return self._held[facts.st_ino]

    # Names

    def rename(self, old, new_name):
        new = str(self._behind) + new_name
        saved = self._save(new) if os.path.exists(new) else None
        os.rename(old, new)

        def take_back() -> None:
            os.rename(new, old)
            if saved:
                os.link(saved, new)

        self._names.append((_folder(new), take_back))

    def unlink(self, path):
        saved = self._save(path)
        os.unlink(path)
        self._names.append((_folder(path), lambda: os.link(saved, path)))

    def mkdir(self, path, mode):
        os.mkdir(path, mode)
        self._names.append((_folder(path), lambda: os.rmdir(path)))

    def rmdir(self, path):
        os.rmdir(path)
        self._names.append((_folder(path), lambda: os.mkdir(path)))

    def _save(self, path: str) -> Path:
        self._removed_count += 1
        saved = self._removed / f"{os.getpid()}-{self._removed_count}"
        os.link(path, saved)
        return saved

    def fsyncdir(self, path, datasync, handle):
        self._names = [(folder, undo) for folder, undo in self._names if folder != path.rstrip("/")]

    # Facts

    def getattr(self, path, handle=None):
        facts = os.lstat(path)
        answer = {name: getattr(facts, name) for name in dir(facts) if name.startswith("st_")}
        held = self._held.get(facts.st_ino)
        return answer | ({"st_size": len(held.content)} if held else {})

    def readdir(self, path, handle):
        return [".", "..", *os.listdir(path)]

    def statfs(self, path):
        facts = os.statvfs(path)
        return {name: getattr(facts, name) for name in dir(facts) if name.startswith("f_")}

    def chmod(self, path, mode):
        os.chmod(path, mode)

    def utimens(self, path, times=None):
        """Times are nobody's promise."""


def _survivors(pending: list[tuple[int, bytes] | int], chance: random.Random) -> list[tuple[int, bytes] | int]:
    kept = []
    for change in pending:
        if chance.random() < 0.5:
            continue
        if not isinstance(change, int) and chance.random() < 0.2:
            sector_count = chance.randint(0, len(change[1]) // SECTOR_BYTES)
            change = (change[0], change[1][: sector_count * SECTOR_BYTES])
        kept.append(change)
    return kept


def _folder(path: str) -> str:
    return os.path.dirname(path).rstrip("/")


def main() -> None:
    behind, mount = Path(sys.argv[1]), sys.argv[2]
    disk = LosingDisk(behind)

    def listen() -> None:
        for line in sys.stdin:
            sys.stdout.write(disk.obey(*line.split()) + "\n")
            sys.stdout.flush()

    threading.Thread(target=listen, daemon=True).start()
    fuse.FUSE(disk, mount, foreground=True, nothreads=True, hard_remove=True, raw_fi=False)


if __name__ == "__main__":
    main()
