"""The process that outlives a killed supervisor for a moment, and ends what it left behind.

The kernel ends our children when we die, but not their children (a Celery pool, a model's trial). Each child leads a
process group; the supervisor tells this process which groups exist, and the end of the pipe between them means that the
supervisor is gone. Runs as a bare script: the standard library alone, 9 MB resident.
"""

import os
import signal
import sys
import time

PATIENCE_S = 3.0


def main() -> None:
    """Read `+<group> <death signal>` and `-<group>` lines until the pipe ends; then end all groups still listed."""
    groups: dict[int, int] = {}
    for line in sys.stdin:
        words = line[1:].split()
        if line.startswith("+"):
            groups[int(words[0])] = int(words[1])
        else:
            groups.pop(int(words[0]), None)
    end(groups)


def end(groups: dict[int, int]) -> None:
    for group, death_signal in groups.items():
        send(group, death_signal)
    deadline = time.monotonic() + PATIENCE_S
    while any(send(group, 0) for group in groups) and time.monotonic() < deadline:
        time.sleep(0.05)
    for group in groups:
        send(group, signal.SIGKILL)


def send(group: int, number: int) -> bool:
    """False: nobody is left in the group."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


if __name__ == "__main__":
    main()
