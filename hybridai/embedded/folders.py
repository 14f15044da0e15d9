"""Folders of an installation: made private, kept by one owner, with room to work."""

import os
import shutil
import stat
from pathlib import Path

from filelock import FileLock, Timeout

from hybridai.embedded.errors import disk_full, folder_in_use, no_permission, translated
from hybridai.embedded.locations import Locations

# A first start writes 40 MB of PostgreSQL files and 16 MB of its log; the rest is room for a demo's day.
LEAST_FREE_BYTES = 300_000_000


def make_private(folder: Path) -> None:
    """The folder exists, is ours and is closed to others. Raises an EmbeddedError otherwise."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = folder.lstat()
    except OSError as exc:
        raise translated(exc, folder) from exc
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise no_permission(folder, "it belongs to another account")
    folder.chmod(0o700)


def hold(where: Locations) -> FileLock:
    """Keep the data folder for this program until it ends or releases the lock; raises DataFolderInUse."""
    make_private(where.data_dir)
    lock = FileLock(where.lock_file, timeout=0)
    try:
        lock.acquire()
    except Timeout as exc:
        raise folder_in_use(where.data_dir) from exc
    except OSError as exc:
        raise translated(exc, where.data_dir) from exc
    return lock


def require_room(where: Locations, least_free_bytes: int = LEAST_FREE_BYTES) -> None:
    if shutil.disk_usage(where.data_dir).free < least_free_bytes:
        raise disk_full(where.data_dir)
