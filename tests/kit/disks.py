"""Disks for fault tests: one whose supply can be cut, and a small one in memory. Both need root; else tests skip."""

import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
from ctypes.util import find_library
from pathlib import Path

import pytest

from tests.kit.agents import ROOT, wait_until

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts file systems: run as root")
needs_fuse = pytest.mark.skipif(
    os.geteuid() != 0
    or not Path("/dev/fuse").exists()
    or find_library("fuse") is None
    or importlib.util.find_spec("fuse") is None,
    reason="needs root, /dev/fuse and libfuse 2 (Debian: apt-get install libfuse2)",
)
needs_strace = pytest.mark.skipif(
    shutil.which("strace") is None, reason="needs strace (Debian: apt-get install strace)"
)

FAKETIME_LIBRARY = next(iter(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), None)
needs_faketime = pytest.mark.skipif(
    FAKETIME_LIBRARY is None, reason="needs libfaketime (Debian: apt-get install faketime)"
)


class CuttableDisk:
    """`mount` is the disk as programs see it, `behind` what is really on it. It may be cut and mounted again."""

    def __init__(self, mount: Path) -> None:
        self.mount = mount
        self.behind = mount.with_name(mount.name + ".behind")
        for path in (self.mount, self.behind):
            path.mkdir(parents=True)
        self._process: subprocess.Popen | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.kit.losing_disk", str(self.behind), str(self.mount)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        wait_until(lambda: os.path.ismount(self.mount) or self._process.poll() is not None, 20)
        assert self._process.poll() is None, "the disk did not start"

    def cut(self, seed: int) -> None:
        """Take the supply away now."""
        self._send(f"cut {seed}")
        self._process.wait(20)

    def cut_at(self, change_count: int, seed: int) -> None:
        """Take the supply away at the so-maniest change from now on."""
        self._ask(f"cut_at {change_count} {seed}")

    def change_count(self) -> int:
        return int(self._ask("count"))

    def refuse(self, errno_name: str = "") -> None:
        """Let each change fail with this error from now on; "" lets them pass again."""
        self._ask(f"refuse {errno_name}")

    @property
    def is_cut(self) -> bool:
        return self._process.poll() is not None

    def again(self) -> None:
        """After a cut: the supply is back."""
        self._let_go()
        self.start()

    def close(self) -> None:
        """Without a cut, and without a sync."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._let_go()

    def _let_go(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
        subprocess.run(["umount", "-l", str(self.mount)], check=False)

    def _ask(self, line: str) -> str:
        self._send(line)
        return self._process.stdout.readline()

    def _send(self, line: str) -> None:
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()


@contextlib.contextmanager
def cuttable_disk(mount: Path):
    disk = CuttableDisk(mount)
    disk.start()
    try:
        yield disk
    finally:
        disk.close()


@contextlib.contextmanager
def small_disk(folder: Path, *, size_mb: int, inode_count: int | None = None):
    """A file system in memory."""
    folder.mkdir(parents=True, exist_ok=True)
    options = f"size={size_mb}m" + (f",nr_inodes={inode_count}" if inode_count else "")
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
