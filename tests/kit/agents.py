"""Real agent processes for tests: composed from a config file, killed like a machine that loses its supply."""

import contextlib
import copy
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from edge_agent.clock import SystemClock
from edge_agent.cloud import HttpCloud
from edge_agent.enrolment import EnrolmentOrder, enrol
from tests.kit.oracle import told_from
from tests.kit.pictures import write_cells

ROOT = Path(__file__).parents[2]
READY_TIMEOUT_S = 30.0


class AgentProcess:
    """One device with its folder. `start` and `kill` may be called again and again."""

    def __init__(
        self, folder: Path, cloud_url: str, *, takt_ms: int = 20, module: str = "edge_agent", code: str = "code"
    ) -> None:
        self.folder = folder
        self.told_file = folder / "told.jsonl"
        self._module = module
        self.environment: dict[str, str] = {}
        """Added to that of the process, from the next start on."""
        self._process: subprocess.Popen | None = None
        _write_images(folder / "images")
        enrolled(folder / "data", cloud_url, code)
        self._cloud_url = cloud_url
        self.configure(takt_ms=takt_ms)

    def cloned(self, folder: Path) -> "AgentProcess":
        """The same identity and journal in another folder: a copied disk image. This one must not be running."""
        shutil.copytree(self.folder, folder)
        clone = copy.copy(self)
        clone.folder, clone.told_file, clone._process = folder, folder / "told.jsonl", None
        clone.told_file.unlink()
        return clone

    def configure(self, *, takt_ms: int) -> None:
        """Holds from the next start on."""
        (self.folder / "agent.toml").write_text(
            f'cloud_url = "{self._cloud_url}"\ndata_folder = "data"\n'
            f'[camera]\nfolder = "images"\nproduct = "cell"\nlot = "7"\n'
            f"[line]\ntakt_ms = {takt_ms}\n"
            f'[output]\nkind = "lines"\nfile = "told.jsonl"\n'
            f"[sync]\ninterval_s = 0.05\n"
        )

    @property
    def journal_folder(self) -> Path:
        return self.folder / "data" / "journal"

    def told(self):
        return told_from(self.told_file)

    def start(self) -> float:
        """Start and wait until the line hears a verdict of this life. Returns the seconds that took."""
        start_s = time.monotonic()
        size_before = self._told_bytes()
        with (self.folder / "agent.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self._module, "run", "--config", str(self.folder / "agent.toml")],
                cwd=ROOT,
                env=os.environ | self.environment,
                stderr=log,
            )
        wait_until(lambda: self._told_bytes() > size_before or self._process.poll() is not None, READY_TIMEOUT_S)
        assert self._process.poll() is None, self.log()
        return time.monotonic() - start_s

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """As the system would: SIGTERM. Returns the exit status."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(timeout=30)

    def log(self) -> str:
        return (self.folder / "agent.log").read_text()

    def _told_bytes(self) -> int:
        with contextlib.suppress(FileNotFoundError):
            return self.told_file.stat().st_size
        return 0

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()


def wait_until(is_true, timeout_s: float) -> None:
    """Raises TimeoutError when it does not come true."""
    end_s = time.monotonic() + timeout_s
    pause = threading.Event()
    while not is_true():
        if time.monotonic() > end_s:
            raise TimeoutError(f"not true after {timeout_s:.0f} s")
        pause.wait(0.01)


def enrolled(folder: Path, cloud_url: str, code: str = "code") -> Path:
    """The data folder of a device that is enrolled there."""
    with contextlib.ExitStack() as stack:

        def connect(credentials):
            cloud = HttpCloud(cloud_url, credentials=credentials, clock=SystemClock())
            stack.callback(cloud.close)
            return cloud

        enrol(EnrolmentOrder(cloud_url=cloud_url, code=code, folder=folder), connect=connect)
    return folder


def _write_images(folder: Path) -> None:
    folder.mkdir(parents=True)
    made = write_cells(folder.parent / "made", good=8, cracked=4)
    for number, path in enumerate(sorted(made.rglob("*.png"))):
        shutil.copy(path, folder / f"{number:02}.png")
