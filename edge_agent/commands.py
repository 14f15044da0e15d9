"""Commands from the cloud: run at most once per id, answered through the journal."""

import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from edge_agent.clock import Clock
from edge_agent.durable import write_durably
from edge_agent.orders import Orders, ReceivedCommand
from edge_agent.recording import RecordSink
from edge_agent.wire.records import CommandAnswer
from edge_agent.wire.words import CommandOutcome

logger = logging.getLogger(__name__)

ANSWERED_FILE = "answered_commands.json"
_ANSWERED_MAX = 1000
"""Remembered ids. The cloud drops a command once it has its answer, so far fewer are ever offered again."""
_TEXT_CHARS_MAX = 20_000
_LOOK_S = 1.0

CommandHandler = Callable[[], str]
"""Does what the command says and returns the answer for people. May raise: the answer is then `failed`."""


class Commands:
    """Answers each command once. An expired one is not run; the cloud sees that itself.

    A crash between the act and the note of it runs the command again: every command here must bear that.
    """

    name = "commands"

    def __init__(
        self,
        folder: Path,
        *,
        orders: Orders,
        journal: RecordSink,
        clock: Clock,
        handlers: Mapping[str, CommandHandler],
    ) -> None:
        self._path = folder / ANSWERED_FILE
        self._orders = orders
        self._journal = journal
        self._clock = clock
        self._handlers = handlers
        self._answered = _load(self._path)
        self._bell = orders.bell()

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self.run_due()
            self._clock.wait(self._bell, _LOOK_S)
            self._bell.clear()

    def run_due(self) -> int:
        """Run what was ordered and neither answered nor expired. Returns how many were answered. Raises OSError."""
        due = [received for received in self._orders.commands if self._is_due(received)]
        for received in due:
            self._journal.append(self._answer(received))
            self._remember(received.command.command_id)
        return len(due)

    def _is_due(self, received: ReceivedCommand) -> bool:
        age_s = self._clock.monotonic_s() - received.received_s
        return received.command.command_id not in self._answered and age_s < received.command.expires_in_s

    def _answer(self, received: ReceivedCommand) -> CommandAnswer:
        kind = received.command.kind
        try:
            outcome, text = CommandOutcome.SUCCEEDED, self._handler(kind)()
        except Exception as exc:
            # Whatever went wrong is the answer.
            logger.exception("command_failed kind=%s id=%s", kind, received.command.command_id)
            outcome, text = CommandOutcome.FAILED, f"{type(exc).__name__}: {exc}"
        return CommandAnswer(
            at_ms=self._clock.wall_ms(),
            command_id=received.command.command_id,
            outcome=outcome,
            text=text[:_TEXT_CHARS_MAX],
        )

    def _handler(self, kind: str) -> CommandHandler:
        if kind not in self._handlers:
            raise LookupError(f"this agent does not know the command {kind!r}")
        return self._handlers[kind]

    def _remember(self, command_id: str) -> None:
        self._answered = {**self._answered, command_id: None}
        kept = list(self._answered)[-_ANSWERED_MAX:]
        self._answered = dict.fromkeys(kept)
        write_durably(self._path, msgspec.json.encode(kept))


def _load(path: Path) -> dict[str, None]:
    """Ids in the order of their answers."""
    try:
        return dict.fromkeys(msgspec.json.decode(path.read_bytes(), type=list[str]))
    except FileNotFoundError:
        return {}
    except (msgspec.DecodeError, OSError) as exc:
        logger.warning("answered_commands_unreadable error=%s", exc)
        return {}
