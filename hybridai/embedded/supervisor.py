"""Starts child programs in order, restarts those that crash, and stops all of them again.

One thread does everything: a look at every child, then a pause that a signal cuts short.
"""

import logging
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from pathlib import Path
from types import FrameType

from hybridai.embedded import reaper
from hybridai.embedded.children import Child, ChildSpec, Role
from hybridai.embedded.errors import EmbeddedError

logger = logging.getLogger(__name__)

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PAUSE_STARTING_S = 0.05
PAUSE_S = 0.2
FIRST_BACKOFF_S = 0.5
LONGEST_BACKOFF_S = 30.0
# A program that ran this long is well; its next crash is a new story.
STEADY_S = 60.0
LOG_LOOK_EVERY_S = 30.0

Announce = Callable[[str, str], None]
"""Takes the child's name and what happened to it."""


class State(Enum):
    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    BACKING_OFF = "backing_off"
    FINISHED = "finished"  # a step that ended well


class Watched:
    """One child with its place in the start order and its history of crashes."""

    def __init__(self, spec: ChildSpec) -> None:
        self.spec = spec
        self.child = Child(spec)
        self.state = State.WAITING
        self.was_ready = False
        self.crash_count = 0
        self.since_s = 0.0
        """When the present state began, on the monotonic clock."""

    def move(self, state: State, now_s: float) -> None:
        self.state = state
        self.since_s = now_s

    @property
    def lets_others_start(self) -> bool:
        return self.spec.role is Role.WORKER or self.was_ready

    @property
    def backoff_s(self) -> float:
        return float(min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2 ** min(self.crash_count, 10)))


class Supervisor:
    """Runs the children that were added, in the order of adding, until it is told to stop.

    Use it from the main thread: signals and the children's lives are tied to it.
    """

    def __init__(self, announce: Announce) -> None:
        self._announce = announce
        self._watched: list[Watched] = []
        self._is_stopping = False
        self._reaper: subprocess.Popen[bytes] | None = None
        self._wake_read = self._wake_write = -1
        self._next_log_look_s = 0.0

    def add(self, spec: ChildSpec) -> None:
        """Also while running: the child starts when those before it let it."""
        self._watched.append(Watched(spec))

    def ask_to_stop(self) -> None:
        self._is_stopping = True

    def run(self) -> None:
        """Return when everything was stopped on request. Raises an EmbeddedError, after stopping everything, when a
        server cannot start or a step fails.
        """
        with self._signals(), self._watched_by_reaper():
            try:
                while not self._is_stopping:
                    self._look()
                    self._pause()
            finally:
                self._stop_all()

    def _look(self) -> None:
        now_s = time.monotonic()
        for watched in self._watched:
            self._look_at(watched, now_s)
            if not watched.lets_others_start:
                break
        if now_s >= self._next_log_look_s:
            self._next_log_look_s = now_s + LOG_LOOK_EVERY_S
            self._trim_logs()

    def _look_at(self, watched: Watched, now_s: float) -> None:
        match watched.state:
            case State.WAITING:
                self._start(watched, now_s)
            case State.BACKING_OFF if now_s - watched.since_s >= watched.backoff_s:
                self._start(watched, now_s)
            case State.STARTING | State.READY if watched.child.exit_status() is not None:
                self._ended(watched, now_s)
            case State.STARTING:
                self._look_if_ready(watched, now_s)
            case State.READY if watched.crash_count and now_s - watched.since_s > STEADY_S:
                watched.crash_count = 0

    def _start(self, watched: Watched, now_s: float) -> None:
        try:
            watched.child.start()
        except EmbeddedError as exc:
            if not watched.was_ready:
                raise
            self._back_off(watched, now_s, str(exc))
            return
        self._tell_reaper(f"+{watched.child.pid} {int(watched.spec.death_signal)}")
        watched.move(State.STARTING, now_s)
        self._announce(watched.spec.name, f"started pid={watched.child.pid}")

    def _look_if_ready(self, watched: Watched, now_s: float) -> None:
        if watched.spec.role is Role.STEP:
            return
        if watched.spec.is_ready():
            self._is_ready(watched, State.READY, now_s)
        elif not watched.lets_others_start and now_s - watched.since_s > watched.spec.ready_timeout_s:
            raise watched.child.silence()

    def _is_ready(self, watched: Watched, state: State, now_s: float) -> None:
        if watched.spec.is_proved_ready:
            word = "done" if state is State.FINISHED else "ready"
            self._announce(watched.spec.name, f"{word} after_s={time.monotonic() - watched.since_s:.1f}")
        watched.move(state, now_s)
        watched.was_ready = True
        watched.spec.on_ready()

    def _ended(self, watched: Watched, now_s: float) -> None:
        """A program of ours came to its end by itself."""
        self._bury(watched)
        if watched.spec.role is Role.STEP and watched.child.exit_status() == 0:
            self._is_ready(watched, State.FINISHED, now_s)
        elif watched.spec.role is Role.WORKER or watched.was_ready:
            self._back_off(watched, now_s, f"status={watched.child.exit_status()} {watched.child.last_words()}")
        else:
            raise watched.child.failure()

    def _back_off(self, watched: Watched, now_s: float, reason: str) -> None:
        watched.move(State.BACKING_OFF, now_s)
        self._announce(watched.spec.name, f"crashed restart_in_s={watched.backoff_s:.1f} {reason}")
        watched.crash_count += 1

    def _bury(self, watched: Watched) -> None:
        """Nothing of an ended program stays, and nobody kills its number again."""
        watched.child.kill_group()
        self._tell_reaper(f"-{watched.child.pid}")

    def _trim_logs(self) -> None:
        for watched in self._watched:
            watched.child.trim_log()

    def _stop_all(self) -> None:
        """Workers together, then the servers in reverse order: nobody loses a server that it still needs."""
        running = [watched for watched in reversed(self._watched) if watched.child.is_running()]
        self._stop_together([watched for watched in running if watched.spec.role is not Role.SERVER])
        for watched in running:
            if watched.spec.role is Role.SERVER:
                self._stop_together([watched])

    def _stop_together(self, group: list[Watched]) -> None:
        asked_s = time.monotonic()
        for watched in group:
            watched.child.ask_to_stop()
        for watched in group:
            watched.child.finish(grace_s=asked_s + watched.spec.stop_grace_s - time.monotonic())
            self._bury(watched)
            self._announce(watched.spec.name, f"stopped after_s={time.monotonic() - asked_s:.1f}")

    def _pause(self) -> None:
        is_starting = any(watched.state in {State.WAITING, State.STARTING} for watched in self._watched)
        ready, _, _ = select.select([self._wake_read], [], [], PAUSE_STARTING_S if is_starting else PAUSE_S)
        if ready:
            os.read(self._wake_read, 64)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Stop signals end the run, children's ends cut the pause short; both as they were before afterwards."""
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)
        earlier_fd = signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        earlier = {number: signal.signal(number, self._on_signal) for number in STOP_SIGNALS}
        earlier[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        try:
            yield
        finally:
            for number, handler in earlier.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(earlier_fd)
            os.close(self._wake_read)
            os.close(self._wake_write)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if not self._is_stopping:
            self._announce("supervisor", f"stopping on={signal.Signals(number).name}")
        self._is_stopping = True

    @contextmanager
    def _watched_by_reaper(self) -> Iterator[None]:
        script = Path(reaper.__file__)
        self._reaper = subprocess.Popen(
            [sys.executable, "-I", "-S", str(script)],
            stdin=subprocess.PIPE,
            # It outlives us for a moment and must not keep our terminal or pipe open.
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            yield
        finally:
            self._reaper.communicate()

    def _tell_reaper(self, line: str) -> None:
        assert self._reaper is not None
        assert self._reaper.stdin is not None
        with suppress(BrokenPipeError):  # someone ended it; the kernel still ends the children themselves
            self._reaper.stdin.write(line.encode() + b"\n")
            self._reaper.stdin.flush()
