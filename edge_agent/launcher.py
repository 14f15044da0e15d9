"""Starts the agent from the installation that should run, and goes back when a new one does not report healthy.

`python -m edge_agent.launcher --data FOLDER -- run --config FILE`. The standard library alone.
"""

import argparse
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import edge_agent
from edge_agent.update.pointer import (
    ENVIRONMENTS_FOLDER,
    LAUNCHED_AS,
    given_up,
    next_run,
    read_pointer,
    write_pointer,
)

logger = logging.getLogger("edge_agent.launcher")

CONFIRM_S = 120.0
"""A trial that has not reported healthy by then is ended for good: it hangs, and the line stands."""
_END_S = 15.0
_LOOK_S = 0.1


@dataclass(frozen=True, slots=True)
class Launcher:
    """words: what the agent is started with."""

    folder: Path
    words: tuple[str, ...]
    confirm_s: float = CONFIRM_S

    def run(self, stop: threading.Event) -> int:
        """Run the agent, again after each change of its installation. Returns its last exit status. Raises OSError."""
        while True:
            pointer, name = next_run(read_pointer(self.folder), self._is_there)
            if pointer != read_pointer(self.folder):
                write_pointer(self.folder, pointer)
            is_trial = bool(name) and name == pointer.trial
            logger.info("agent_start installation=%s try=%d", name or "base", pointer.try_count)
            status = self._run_once(name, is_trial=is_trial, stop=stop)
            logger.info("agent_end installation=%s status=%d", name or "base", status)
            after = read_pointer(self.folder)
            if stop.is_set() or not (after.trial or (is_trial and after.failed == name)):
                return status

    def _run_once(self, name: str, *, is_trial: bool, stop: threading.Event) -> int:
        begun_s = time.monotonic()
        with subprocess.Popen(
            [sys.executable, "-P", "-m", "edge_agent", *self.words], env=self._environment(name)
        ) as child:
            while child.poll() is None:
                if stop.wait(_LOOK_S):
                    _end(child)
                elif is_trial and time.monotonic() - begun_s > self.confirm_s:
                    is_trial = False
                    self._require_healthy(name, child)
        return child.returncode

    def _require_healthy(self, name: str, child: subprocess.Popen[bytes]) -> None:
        """One that hangs is not tried twice: each try costs the line all of `confirm_s`."""
        pointer = read_pointer(self.folder)
        if pointer.trial == name:
            logger.error("trial_not_healthy installation=%s after_s=%.0f", name, self.confirm_s)
            write_pointer(self.folder, given_up(pointer))
            _end(child)

    def _environment(self, name: str) -> dict[str, str]:
        base = Path(edge_agent.__file__).resolve().parents[1]
        path = self._place(name) if name else base
        return {**os.environ, "PYTHONPATH": str(path), LAUNCHED_AS: name or "base"}

    def _is_there(self, name: str) -> bool:
        return (self._place(name) / "edge_agent" / "__init__.py").is_file()

    def _place(self, name: str) -> Path:
        return self.folder / ENVIRONMENTS_FOLDER / name


def _end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(_END_S)
    except subprocess.TimeoutExpired:
        child.kill()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m edge_agent.launcher", description="Starts the agent.")
    parser.add_argument("--data", required=True, type=Path, metavar="FOLDER")
    parser.add_argument("--confirm-s", type=float, default=CONFIRM_S)
    parser.add_argument("words", nargs="+", metavar="-- run --config FILE")
    options = parser.parse_args(arguments)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    stop = threading.Event()

    def stop_on(number: int, frame: FrameType | None) -> None:
        del number, frame
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop_on)
    return Launcher(options.data, tuple(options.words), confirm_s=options.confirm_s).run(stop)


if __name__ == "__main__":
    sys.exit(main())
