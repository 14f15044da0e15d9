"""The whitelisted diagnostic shell: a few commands that only read, each as a fixed list of words."""

import os
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence

TIMEOUT_S = 10.0
OUTPUT_BYTES_MAX = 18_000
GRANT_MAX_S = 3600
"""A longer grant is refused, whoever wrote it."""

ALLOWED: dict[str, tuple[str, ...]] = {
    "disk": ("df", "-h"),
    "inodes": ("df", "-i"),
    "memory": ("free", "-m"),
    "uptime": ("uptime",),
    "kernel": ("uname", "-a"),
    "clock": ("date", "--utc", "--iso-8601=seconds"),
    "addresses": ("ip", "-brief", "address"),
    "routes": ("ip", "route"),
    "sockets": ("ss", "-tun"),
    "processes": ("ps", "-eo", "pid,pcpu,pmem,etime,comm", "--sort=-pcpu"),
    "cameras": ("v4l2-ctl", "--list-devices"),
    "gpu": ("nvidia-smi",),
}
"""Nothing that a person types ever becomes a word of these."""


class NotGranted(Exception):
    """The command carries no grant that holds now, or asks for something that is not on the list."""


class Diagnostics:
    """now_ms: the cloud's time, because a grant must not live longer on a device whose clock is wrong."""

    def __init__(self, now_ms: Callable[[], int], *, allowed: Mapping[str, tuple[str, ...]] | None = None) -> None:
        self._now_ms = now_ms
        self._allowed = ALLOWED if allowed is None else allowed

    def run(self, arguments: Mapping[str, str]) -> str:
        """The output of one listed command. Raises NotGranted, OSError when the program is not installed."""
        self._require_grant(arguments)
        name = arguments.get("command", "")
        if name not in self._allowed:
            raise NotGranted(f"{name!r} is not one of {', '.join(self._allowed)}")
        return bounded_output(self._allowed[name])

    def _require_grant(self, arguments: Mapping[str, str]) -> None:
        until = arguments.get("grant_until_ms", "")
        if not until.isdecimal():
            raise NotGranted("the command carries no grant")
        left_s = (int(until) - self._now_ms()) / 1000
        if left_s <= 0:
            raise NotGranted("the grant is over")
        if left_s > GRANT_MAX_S:
            raise NotGranted(f"a grant lasts at most {GRANT_MAX_S} s")


def bounded_output(words: Sequence[str], *, timeout_s: float = TIMEOUT_S, bytes_max: int = OUTPUT_BYTES_MAX) -> str:
    """What the program says, errors included, cut in time and size; the last line tells when it was. Raises OSError."""
    is_over = threading.Event()
    child = subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"},
        start_new_session=True,
    )

    def end() -> None:
        is_over.set()
        child.kill()

    timer = threading.Timer(timeout_s, end)
    timer.start()
    with child:
        assert child.stdout is not None
        output = child.stdout.read(bytes_max + 1)
        if len(output) > bytes_max:
            child.kill()
    timer.cancel()
    return output[:bytes_max].decode(errors="replace") + _remark(output, child.returncode, bytes_max, is_over.is_set())


def _remark(output: bytes, status: int, bytes_max: int, is_over: bool) -> str:  # noqa: FBT001  private
    if is_over:
        return "\n[ended: it took too long]"
    if len(output) > bytes_max:
        return "\n[cut: it said too much]"
    return f"\n[exit status {status}]" if status else ""
