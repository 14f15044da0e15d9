"""Supervising programs under test: really started, really killed."""

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

PROJECT_ROOT = Path(__file__).resolve().parents[2]


class Run:
    """A program that supervises others in `folder`, what it says, and what is left of it."""

    def __init__(self, folder: Path, argv: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.lines: list[str] = []
        self.program = subprocess.Popen(
            [sys.executable, *argv],
            cwd=PROJECT_ROOT,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def line(self, words: str) -> str:
        """The next announced line with these words; the test fails when the program ends without it."""
        for line in self.program.stdout or []:
            self.lines.append(" ".join(line.split()))
            if words in self.lines[-1]:
                return self.lines[-1]
        pytest.fail(f"no line with {words!r}, only {self.lines}")

    def end(self, number: int) -> int:
        self.program.send_signal(number)
        return self.program.wait(timeout=30)

    def children(self) -> list[psutil.Process]:
        """All programs but the supervisor itself that name this run's folder, work in it, or are told of it."""
        found = psutil.process_iter(["cmdline", "cwd", "environ", "pid"])
        return [one for one in found if one.info["pid"] != self.program.pid and self._belongs(one.info)]

    def _belongs(self, seen: dict[str, Any]) -> bool:
        folder = str(self.folder)
        told = (seen["environ"] or {}).get("HYBRIDAI_DATA")
        return folder in (seen["cwd"] or "") or told == folder or any(folder in word for word in seen["cmdline"] or [])

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
