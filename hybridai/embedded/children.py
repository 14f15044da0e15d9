"""One child program: started in its own session, tied to our life, watched by its log and a probe."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hybridai.embedded.errors import EmbeddedError, ServerFailed, explained, translated

PR_SET_PDEATHSIG = 1
LOG_TAIL_BYTES = 4000
LOG_LIMIT_BYTES = 20_000_000
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def nothing() -> None:
    """The hook of a child that needs none."""


def at_once() -> bool:
    """The probe of a child that counts as ready when it runs."""
    return True


@dataclass(frozen=True)
class ChildSpec:
    """How to start, recognise and stop one child program."""

    name: str
    argv: Sequence[str]
    log_file: Path
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    prepare: Callable[[], None] = nothing
    """Runs before every start; an EmbeddedError from it stops the start."""
    is_ready: Callable[[], bool] = at_once
    """Answers within about a second whether the program serves."""
    stop_signal: signal.Signals = signal.SIGTERM
    stop_grace_s: float = 4.0
    death_signal: signal.Signals = signal.SIGKILL
    """What the child gets from the kernel when we die without stopping it."""


class Child:
    """A running (or ended) program. Start it from a thread that outlives it: Linux ties its life to that thread."""

    def __init__(self, spec: ChildSpec) -> None:
        self.spec = spec
        self._process: subprocess.Popen[bytes] | None = None
        self._log_offset_bytes = 0

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Raises an EmbeddedError if the program cannot be started."""
        self.spec.prepare()
        try:
            self._process = self._spawn()
        except OSError as exc:
            raise translated(exc, Path(self.spec.argv[0])) from exc

    def _spawn(self) -> subprocess.Popen[bytes]:
        parent_pid = os.getpid()
        self.spec.log_file.parent.mkdir(parents=True, exist_ok=True)
        with self.spec.log_file.open("ab") as log:
            self._log_offset_bytes = log.tell()
            return subprocess.Popen(
                list(self.spec.argv),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.spec.env},
                cwd=self.spec.cwd,
                start_new_session=True,
                preexec_fn=lambda: _tie_to(parent_pid, self.spec.death_signal),
            )

    def exit_status(self) -> int | None:
        """None while the program runs."""
        return self._process.poll() if self._process else None

    def wait_ready(self, timeout_s: float) -> None:
        """Return when the probe says yes; raise an EmbeddedError if the program ends or stays silent before that."""
        assert self._process is not None
        deadline = time.monotonic() + timeout_s
        while not self.spec.is_ready():
            if not self.waited(0.02):
                raise self.failure()
            if time.monotonic() > deadline:
                raise ServerFailed(f"{self.spec.name} did not answer within {timeout_s:.0f} s ({self.spec.log_file}).")

    def waited(self, pause_s: float) -> bool:
        """Wait at most `pause_s`. False: the program has ended."""
        assert self._process is not None
        try:
            self._process.wait(timeout=pause_s)
        except subprocess.TimeoutExpired:
            return True
        return False

    def failure(self) -> EmbeddedError:
        """Why the program ended, as its log tells it."""
        return explained(self.spec.name, self.spec.log_file, self.log_tail())

    def log_tail(self) -> str:
        """The last lines that this start of the program wrote."""
        with self.spec.log_file.open("rb") as log:
            end = log.seek(0, os.SEEK_END)
            log.seek(max(min(self._log_offset_bytes, end), end - LOG_TAIL_BYTES))
            return log.read().decode(errors="replace")

    def ask_to_stop(self) -> None:
        if self._process and self._process.poll() is None:
            self._process.send_signal(self.spec.stop_signal)

    def stop(self) -> None:
        """Stop the program and all it started; kills what is still there after the grace time."""
        self.ask_to_stop()
        if self._process and self.waited(self.spec.stop_grace_s):
            self.kill()
        self.kill_group()

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def kill_group(self) -> None:
        """Nothing that the program left behind in its session may outlive it."""
        if self._process is None:
            return
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return  # gone (Linux), or only zombies are left (macOS)

    def trim_log(self) -> None:
        """Keep the log's last 20 MB or less. The program appends, so that cutting the file under it is safe."""
        if self.spec.log_file.stat().st_size > LOG_LIMIT_BYTES:
            older = self.spec.log_file.with_suffix(".1.log")
            older.write_bytes(self.spec.log_file.read_bytes())
            os.truncate(self.spec.log_file, 0)


def _tie_to(parent_pid: int, death_signal: signal.Signals) -> None:
    """Between fork and exec: let the kernel end this child when its parent dies."""
    if _LIBC is not None:
        _LIBC.prctl(PR_SET_PDEATHSIG, int(death_signal))
        if os.getppid() != parent_pid:  # the parent died before the line above
            os._exit(1)
