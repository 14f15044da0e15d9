"""Which installation of the agent runs: a durable pointer and a try counter. The standard library alone, because the
launcher must work when an installation does not."""

import json
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from edge_agent.durable import write_durably

logger = logging.getLogger(__name__)

POINTER_FILE = "agent.json"
ENVIRONMENTS_FOLDER = "agents"
LAUNCHED_AS = "EDGE_AGENT_LAUNCHED_AS"
"""The environment variable by which an agent knows that a launcher started it, and from which installation."""
BASE = ""
"""The installation that the launcher itself belongs to; always there."""
TRIES_MAX = 3


@dataclass(frozen=True, slots=True)
class Pointer:
    """active: proven. trial: to be proven. try_count: how often it was started. failed: the last that was not."""

    active: str = BASE
    previous: str = BASE
    trial: str = BASE
    try_count: int = 0
    failed: str = BASE


def read_pointer(folder: Path) -> Pointer:
    """A damaged file means the base installation: an old agent that runs is worth more than a new one that does not."""
    try:
        return Pointer(**json.loads((folder / POINTER_FILE).read_bytes()))
    except FileNotFoundError:
        return Pointer()
    except (OSError, ValueError, TypeError) as exc:
        logger.error("pointer_unreadable error=%s", exc)  # noqa: TRY400  a sentence, not a stack
        return Pointer()


def write_pointer(folder: Path, pointer: Pointer) -> None:
    """On return it survives a power cut. Raises OSError."""
    write_durably(folder / POINTER_FILE, json.dumps(asdict(pointer)).encode())


def next_run(pointer: Pointer, is_there: Callable[[str], bool]) -> tuple[Pointer, str]:
    """What to run now, and the pointer to save before doing so. Pure."""
    if pointer.trial:
        if pointer.try_count < TRIES_MAX and is_there(pointer.trial):
            return replace(pointer, try_count=pointer.try_count + 1), pointer.trial
        pointer = given_up(pointer)
    chosen = next((name for name in (pointer.active, pointer.previous) if name and is_there(name)), BASE)
    return pointer, chosen


def tried(pointer: Pointer, name: str) -> Pointer:
    """`name` is to be started on trial."""
    return replace(pointer, trial=name, try_count=0, failed=BASE)


def proven(pointer: Pointer, name: str) -> Pointer:
    """`name` reported healthy. Twice changes nothing."""
    if pointer.trial != name:
        return pointer
    return Pointer(active=name, previous=pointer.active)


def given_up(pointer: Pointer) -> Pointer:
    return replace(pointer, trial=BASE, try_count=0, failed=pointer.trial)
