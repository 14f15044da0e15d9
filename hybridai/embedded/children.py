"""One child program: started in its own session, tied to our life, watched by its log and a probe."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
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


class Role(Enum):
    """What the children listed after this one may count on."""

    SERVER = "server"
    """They start when it is ready; if it cannot start the first time, nothing does."""
    STEP = "step"
    """They start when it has ended well; if it fails, nothing runs."""
    WORKER = "worker"
    """They start beside it."""


@dataclass(frozen=True)
class ChildSpec:
    """How to start, recognise and stop one child program."""

    name: str
    argv: Sequence[str]
    log_file: Path
    role: Role = Role.WORKER
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    prepare: Callable[[], None] = nothing
    """Runs before every start; an EmbeddedError from it stops the start."""
    is_ready: Callable[[], bool] = at_once
    """Answers within about a second whether the program serves."""
    on_ready: Callable[[], None] = nothing
    """Called each time that the program became ready (a step: ended well); the supervisor waits for it."""
    ready_timeout_s: float = 60.0
    stop_signal: signal.Signals = signal.SIGTERM
    stop_grace_s: float = 4.0
    death_signal: signal.Signals = signal.SIGKILL
    """What the child gets from the kernel when we die without stopping it."""

    @property
    def is_proved_ready(self) -> bool:
        """Whether being ready says more than being started."""
        return self.role is Role.STEP or self.is_ready is not at_once


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

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def wait_ready(self) -> None:
        """Return when the probe says yes; raise an EmbeddedError if the program ends or stays silent before that."""
        deadline = time.monotonic() + self.spec.ready_timeout_s
        while not self.spec.is_ready():
            if self.has_ended_within(0.02):
                raise self.failure()
            if time.monotonic() > deadline:
                raise self.silence()

    def has_ended_within(self, pause_s: float) -> bool:
        """Wait for the program's end, at most `pause_s`."""
        assert self._process is not None
        try:
            self._process.wait(timeout=max(0.0, pause_s))
        except subprocess.TimeoutExpired:
            return False
        return True

    def silence(self) -> EmbeddedError:
        """What to say of a program that runs and never became ready."""
        waited_s = self.spec.ready_timeout_s
        return ServerFailed(f"{self.spec.name} did not answer within {waited_s:.0f} s (log: {self.spec.log_file}).")

    def failure(self) -> EmbeddedError:
        """Why the program ended, as its log tells it."""
        return explained(self.spec.name, self.spec.log_file, self.log_tail())

    def last_words(self) -> str:
        """The last line of its log, to be shown beside the fact that it ended."""
        return "".join(self.log_tail().strip().splitlines()[-1:])

    def log_tail(self) -> str:
        """The last lines that this start of the program wrote."""
        with self.spec.log_file.open("rb") as log:
            end = log.seek(0, os.SEEK_END)
            log.seek(max(min(self._log_offset_bytes, end), end - LOG_TAIL_BYTES))
            return log.read().decode(errors="replace")

    def ask_to_stop(self) -> None:
        if self._process is not None and self.is_running():
            self._process.send_signal(self.spec.stop_signal)

    def stop(self) -> None:
        """Stop the program and all it started; what is still there after the grace time is killed."""
        self.ask_to_stop()
        self.finish(grace_s=self.spec.stop_grace_s)

    def finish(self, *, grace_s: float) -> None:
        """Wait at most `grace_s` for a program that was asked to stop, then leave nothing of it."""
        if self._process is None:
            return
        if not self.has_ended_within(grace_s):
            self._process.kill()
            self._process.wait()
        self.kill_group()

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
        if self._process is not None and self.spec.log_file.stat().st_size > LOG_LIMIT_BYTES:
            older = self.spec.log_file.with_suffix(".1.log")
            older.write_bytes(self.spec.log_file.read_bytes())
            os.truncate(self.spec.log_file, 0)


def _tie_to(parent_pid: int, death_signal: signal.Signals) -> None:
    """Between fork and exec: let the kernel end this child when its parent dies."""
    if _LIBC is not None:
        _LIBC.prctl(PR_SET_PDEATHSIG, int(death_signal))
        if os.getppid() != parent_pid:  # the parent died before the line above
            os._exit(1)
