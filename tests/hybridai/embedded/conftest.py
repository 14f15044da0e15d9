import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from hybridai.embedded.locations import Locations, locations

PROJECT_ROOT = Path(__file__).resolve().parents[3]


class Run:
    """One run of the small installation, and what is left of it."""

    def __init__(self, folder: Path, scenario: str) -> None:
        self.folder = folder
        self.lines: list[str] = []
        argv = [sys.executable, "-m", "tests.hybridai.embedded.small_installation", str(folder), scenario]
        self.program = subprocess.Popen(
            argv, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )

    def line(self, beginning: str) -> str:
        """The next announced line that begins so; the test fails when the program ends without it."""
        for line in self.program.stdout or []:
            self.lines.append(line.strip())
            if line.startswith(beginning):
                return line.strip()
        pytest.fail(f"no line {beginning!r}, only {self.lines}")

    def end(self, number: int) -> int:
        self.program.send_signal(number)
        return self.program.wait(timeout=30)

    def children(self) -> list[psutil.Process]:
        """All programs but the supervisor itself that name this run's folder or work in it."""
        return [
            process
            for process in psutil.process_iter(["cmdline", "cwd", "pid"])
            if any(str(self.folder) in word for word in [*(process.info["cmdline"] or []), process.info["cwd"] or ""])
            and process.info["pid"] != self.program.pid
        ]

    def is_empty_within(self, seconds: float) -> bool:
        return eventually(lambda: not self.children(), seconds)

    def close(self) -> None:
        self.program.kill()
        self.program.communicate()
        for process in self.children():
            process.kill()


def eventually(claim: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not claim():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], Run]]:
    runs: list[Run] = []

    def start_one(scenario: str) -> Run:
        runs.append(Run(tmp_path, scenario))
        return runs[-1]

    yield start_one
    for run in runs:
        run.close()


@pytest.fixture
def where(tmp_path: Path) -> Locations:
    return locations(tmp_path / "data")
