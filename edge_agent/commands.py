"""Commands from the cloud: run at most once per id, answered through the journal (docs/commands.md)."""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edge_agent.clock import Clock
from edge_agent.durable import write_durably
from edge_agent.journal import JournalError
from edge_agent.orders import Orders, ReceivedCommand
from edge_agent.recording import RecordSink, TroubleLog
from edge_agent.wire.messages import Command
from edge_agent.wire.records import CommandAnswer
from edge_agent.wire.words import CommandOutcome

logger = logging.getLogger(__name__)

ANSWERED_FILE = "answered_commands.json"
_ANSWERED_MAX = 1000
"""Remembered ids. The cloud drops a command once it has its answer, so far fewer are ever offered again."""
_TEXT_CHARS_MAX = 20_000
_LOOK_S = 1.0

Arguments = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Done:
    """then: what may only follow once the answer is durable and the command will not be run again."""

    text: str
    then: Callable[[], None] = lambda: None


CommandHandler = Callable[[Arguments], str | Done]
"""Does what the command says and returns the answer for people. May raise: the answer is then `failed`."""


@dataclass(frozen=True, slots=True)
class _Answered:
    answer: CommandAnswer
    then: Callable[[], None]


class Commands:
    """Answers each command once. An expired one is not run; the cloud sees that itself.

    A crash between the act and the note of it runs the command again: every command here must bear that. What must
    not happen twice belongs into `Done.then`.
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
        self._held: dict[str, _Answered] = {}
        self._trouble = TroubleLog(logger, "answers_not_recorded")
        self._bell = orders.bell()

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                self.run_due()
            except (JournalError, OSError) as exc:
                # The answer is held, and recorded with a later turn.
                self._trouble.note(exc)
            else:
                self._trouble.over()
            self._clock.wait(self._bell, _LOOK_S)
            self._bell.clear()

    def run_due(self) -> int:
        """Run what was ordered and neither answered nor expired. Returns how many were answered.

        Raises OSError, JournalError: the answers are then held, and nothing is run again.
        """
        due = [received for received in self._orders.commands if self._is_due(received)]
        for received in due:
            self._held[received.command.command_id] = self._act(received.command)
        answered_count = len(self._held)
        for command_id in list(self._held):
            self._record(command_id)
        return answered_count

    def _record(self, command_id: str) -> None:
        held = self._held[command_id]
        self._journal.append(held.answer)
        self._remember(command_id)
        del self._held[command_id]
        held.then()

    def _is_due(self, received: ReceivedCommand) -> bool:
        command = received.command
        is_known = command.command_id in self._answered or command.command_id in self._held
        return not is_known and self._clock.monotonic_s() - received.received_s < command.expires_in_s

    def _act(self, command: Command) -> _Answered:
        logger.info("command_run kind=%s id=%s", command.kind, command.command_id)
        try:
            outcome, done = CommandOutcome.SUCCEEDED, self._handler(command.kind)(command.arguments)
        except Exception as exc:
            # Whatever went wrong is the answer.
            logger.exception("command_failed kind=%s id=%s", command.kind, command.command_id)
            outcome, done = CommandOutcome.FAILED, f"{type(exc).__name__}: {exc}"
        if isinstance(done, str):
            done = Done(done)
        answer = CommandAnswer(
            at_ms=self._clock.wall_ms(),
            command_id=command.command_id,
            outcome=outcome,
            text=done.text[:_TEXT_CHARS_MAX],
        )
        return _Answered(answer, done.then)

    def _handler(self, kind: str) -> CommandHandler:
        if kind not in self._handlers:
            raise LookupError(f"this agent does not know the command {kind!r}")
        return self._handlers[kind]

    def _remember(self, command_id: str) -> None:
        kept = list({**self._answered, command_id: None})[-_ANSWERED_MAX:]
        write_durably(self._path, msgspec.json.encode(kept))
        self._answered = dict.fromkeys(kept)


def _load(path: Path) -> dict[str, None]:
    """Ids in the order of their answers."""
    try:
        return dict.fromkeys(msgspec.json.decode(path.read_bytes(), type=list[str]))
    except FileNotFoundError:
        return {}
    except (msgspec.DecodeError, OSError) as exc:
        logger.warning("answered_commands_unreadable error=%s", exc)
        return {}
