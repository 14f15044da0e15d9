"""What the cloud wants of this device: the last accepted desired state, on disk, so that no restart forgets it."""

import logging
import threading
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edge_agent.clock import Clock
from edge_agent.durable import write_durably
from edge_agent.wire.codec import WireError, decode, encode
from edge_agent.wire.configuration import Configuration
from edge_agent.wire.messages import Command, DesiredState
from edge_agent.wire.records import ConfigurationReported

logger = logging.getLogger(__name__)

ORDERS_FILE = "orders.msgpack"
_REASON_CHARS_MAX = 200


class _OrdersFile(msgspec.Struct, frozen=True, kw_only=True):
    """`configuration` is the last good one; `judged_revision` the last one looked at, good or bad."""

    state: DesiredState | None = None
    configuration: Configuration = Configuration()
    configuration_revision: int = 0
    judged_revision: int = 0
    refusal: str = ""
    reported_revision: int = 0


@dataclass(frozen=True, slots=True)
class OrdersChange:
    """has_model_changed: another offer than before, or none any more."""

    has_model_changed: bool
    has_configuration_changed: bool


@dataclass(frozen=True, slots=True)
class ReceivedCommand:
    command: Command
    received_s: float
    """Monotonic; the command's remaining life counts from here."""


class Orders:
    """The last accepted desired state. One thread accepts, any thread reads.

    A configuration that cannot be read, or breaks a limit, leaves the last good one in force.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._path = folder / ORDERS_FILE
        self._clock = clock
        self._lock = threading.Lock()
        self._bells: list[threading.Event] = []
        self._commands: tuple[ReceivedCommand, ...] = ()
        self._held = _load(self._path)

    @property
    def state(self) -> DesiredState | None:
        """None until the first check-in ever. Its commands are empty: see `commands`."""
        return self._held.state

    @property
    def configuration(self) -> Configuration:
        return self._held.configuration

    @property
    def configuration_revision(self) -> int:
        """Of the configuration in force; 0 is the agent's own."""
        return self._held.configuration_revision

    @property
    def commands(self) -> tuple[ReceivedCommand, ...]:
        """Those of the last check-in. None after a restart: nobody knows how old they are by then."""
        return self._commands

    def bell(self) -> threading.Event:
        """An event of the caller's own, set at each accepted check-in that changed something or brought commands."""
        event = threading.Event()
        self._bells.append(event)
        return event

    def accept(self, state: DesiredState) -> OrdersChange:
        """Take the cloud's orders. On return they survive a power cut. Raises OSError, and then the old ones hold.

        Costs a file write only when something changed.
        """
        with self._lock:
            before = self._held
            after = _judged(before, _without_passing_parts(state))
            if encode(after) != encode(before):
                write_durably(self._path, encode(after))
            self._held = after
            received_s = self._clock.monotonic_s()
            self._commands = tuple(ReceivedCommand(command, received_s) for command in state.commands)
        if after is not before or state.commands:
            self._ring()
        return OrdersChange(
            has_model_changed=_offer(after) != _offer(before),
            has_configuration_changed=after.configuration_revision != before.configuration_revision,
        )

    def report_due(self) -> ConfigurationReported | None:
        """What the cloud does not know yet about the configuration it asked for. Call `reported` once it is durable."""
        held = self._held
        if held.judged_revision == held.reported_revision:
            return None
        return ConfigurationReported(
            at_ms=self._clock.wall_ms(),
            revision=held.judged_revision,
            is_applied=not held.refusal,
            reason=held.refusal,
        )

    def reported(self, revision: int) -> None:
        """Remember durably that the cloud will learn of `revision`. Raises OSError; the report is then sent twice."""
        with self._lock:
            after = msgspec.structs.replace(self._held, reported_revision=revision)
            write_durably(self._path, encode(after))
            self._held = after

    def _ring(self) -> None:
        for event in self._bells:
            event.set()


def _load(path: Path) -> _OrdersFile:
    try:
        return decode(path.read_bytes(), _OrdersFile)
    except FileNotFoundError:
        return _OrdersFile()
    except (WireError, OSError) as exc:
        # The next check-in brings them again; until then the agent's own settings hold.
        logger.warning("orders_unreadable error=%s", exc)
        return _OrdersFile()


def _without_passing_parts(state: DesiredState) -> DesiredState:
    """What stays true until the cloud says otherwise."""
    return msgspec.structs.replace(state, server_time_ms=0, commands=[], streams=[])


def _judged(held: _OrdersFile, state: DesiredState) -> _OrdersFile:
    """`held` with the new state, and with its configuration when that is new and good."""
    if held.state is not None and encode(held.state) == encode(state):
        return held
    held = msgspec.structs.replace(held, state=state)
    if state.configuration_revision == held.judged_revision:
        return held
    held = msgspec.structs.replace(held, judged_revision=state.configuration_revision)
    try:
        configuration = decode(bytes(state.configuration), Configuration)
    except WireError as exc:
        logger.warning("configuration_refused revision=%d reason=%s", state.configuration_revision, exc)
        return msgspec.structs.replace(held, refusal=str(exc)[:_REASON_CHARS_MAX] or "unreadable")
    logger.info("configuration_accepted revision=%d", state.configuration_revision)
    return msgspec.structs.replace(
        held, configuration=configuration, configuration_revision=state.configuration_revision, refusal=""
    )


def _offer(held: _OrdersFile) -> object:
    return held.state.model if held.state else None
