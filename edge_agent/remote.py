"""What each command of the cloud does on this device (docs/commands.md)."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import msgspec

from edge_agent.bench import BenchPlan, bench_rows, signed_card
from edge_agent.clock import Clock
from edge_agent.commands import Arguments, CommandHandler, Done
from edge_agent.diagnostics import Diagnostics
from edge_agent.identity import Identity
from edge_agent.recent_log import RecentLog
from edge_agent.update.trial import run_trial
from edge_agent.update.versions import Versions
from edge_agent.values import Digest, InstalledVersion
from edge_agent.wire.configuration import LogLevel
from edge_agent.wire.words import CommandKind

LOG_LINES_MAX = 500
_LOG_LINES = 100
PROFILE_PLAN = BenchPlan(threads=(1,), run_count=50, timeout_s=60.0)
"""Small, because the line runs on."""


class ActiveVersion(Protocol):
    @property
    def active_digest(self) -> Digest | None: ...


class CommandFailed(Exception):
    """The command ran, and this is why it did not succeed."""


@dataclass(frozen=True, slots=True)
class RemoteParts:
    """What commands work with. restart: asks the process to end cleanly; whoever started it starts it anew."""

    health_text: Callable[[], str]
    snapshot: Callable[[Arguments], str]
    recent_log: RecentLog
    slots: ActiveVersion
    versions: Versions
    identity: Identity
    clock: Clock
    now_ms: Callable[[], int]
    restart: Callable[[], None]
    stop: Callable[[], threading.Event]


def command_handlers(parts: RemoteParts) -> dict[str, CommandHandler]:
    diagnostics = Diagnostics(parts.now_ms)
    return {
        CommandKind.HEALTH_CHECK: lambda _: parts.health_text(),
        CommandKind.LOGS: lambda arguments: log_tail(parts.recent_log, arguments),
        CommandKind.SELF_TEST: lambda _: self_test(parts),
        CommandKind.SNAPSHOT: parts.snapshot,
        CommandKind.RESTART: lambda _: Done("restarting", then=parts.restart),
        CommandKind.PROFILE: lambda _: profile(parts),
        CommandKind.DIAGNOSE: diagnostics.run,
    }


def log_tail(recent: RecentLog, arguments: Arguments) -> str:
    """arguments: `lines` (1 to 500) and `level`. Raises ValueError for others."""
    line_count = min(LOG_LINES_MAX, max(1, int(arguments.get("lines", _LOG_LINES))))
    level = LogLevel(arguments.get("level", LogLevel.DEBUG))
    return recent.tail(line_count, level=logging.getLevelNamesMapping()[level.upper()])


def self_test(parts: RemoteParts) -> str:
    """Recompute the active version's golden frames in a child process. Raises CommandFailed when they differ."""
    version = _active(parts)
    report = run_trial(version, clock=parts.clock, stop=parts.stop())
    text = msgspec.json.encode(report).decode()
    if report.reason:
        raise CommandFailed(text)
    return text


def profile(parts: RemoteParts) -> str:
    """A benchmark card of the active version, signed by this device, as JSON."""
    version = _active(parts)
    rows = bench_rows(version, PROFILE_PLAN)
    card = signed_card(version, rows, identity=parts.identity, size_bytes=0, clock=parts.clock)
    return msgspec.json.encode(card).decode()


def _active(parts: RemoteParts) -> InstalledVersion:
    """Raises CommandFailed without a model, VersionDamaged."""
    digest = parts.slots.active_digest
    if digest is None:
        raise CommandFailed("no model runs on this device")
    return parts.versions.load(digest)
