"""Puts the agent together; the only file that knows all parts."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edge_agent.checkin import Checkin, CheckinFacts
from edge_agent.clock import Clock
from edge_agent.cloud import HttpCloud
from edge_agent.commands import Commands
from edge_agent.config import Config
from edge_agent.hardware import hardware
from edge_agent.health import HealthMeter, HealthReporter
from edge_agent.identity import Identity, load_identity
from edge_agent.journal import Journal
from edge_agent.lines import Lines, SharedByLines
from edge_agent.operator.board import Board
from edge_agent.operator.facts import FactSources, OutputFacts, RunningModel, StationFacts
from edge_agent.operator.page import operator_page
from edge_agent.orders import Orders
from edge_agent.pipeline.requests import RequestBook
from edge_agent.pipeline.results import Collection
from edge_agent.pipeline.shadow import Shadow
from edge_agent.recent_log import RecentLog
from edge_agent.remote import RemoteParts, command_handlers
from edge_agent.snapshot import LastSeen
from edge_agent.supervisor import Part, Supervisor
from edge_agent.sync import Sync
from edge_agent.update.extra_parts import Surroundings, composed_extras
from edge_agent.update.extras import Extras
from edge_agent.update.slots import Slots
from edge_agent.update.trial import run_trial
from edge_agent.update.trust import TargetDownload, TrustedRepository
from edge_agent.update.updater import UpdateParts, Updater
from edge_agent.update.versions import Versions
from edge_agent.wire.configuration import OperationSettings, Privacy

logger = logging.getLogger(__name__)

JOURNAL_FOLDER = "journal"
VERSIONS_FOLDER = "models"
TRUST_FOLDER = "tuf"
DOWNLOADS_FOLDER = "downloads"
REQUESTS_FILE = "requests.json"
SETTINGS_LOOK_S = 1.0
WALL_OFFSET_MAX_MS = 60_000
"""A stamp that is further off than this would put an item into the wrong minute."""

JournalOpener = Callable[[Path, Clock], Journal]


class Agent:
    """A composed device. Opening takes the data folder for this process; `run` returns when all parts have stopped."""

    def __init__(self, config: Config, clock: Clock, *, open_journal: JournalOpener = Journal) -> None:
        """Raises IdentityError, JournalError, OSError."""
        folder = config.data_folder
        self._config = config
        self._clock = clock
        self._identity = load_identity(folder)
        self._hardware = hardware()
        self._orders = Orders(folder, clock)
        self._journal = open_journal(folder / JOURNAL_FOLDER, clock)
        self._versions = Versions(folder / VERSIONS_FOLDER)
        self._slots = Slots(folder, self._versions)
        self._cloud = _cloud(config, self._identity, clock)
        self._collection = Collection(requests=RequestBook(folder / REQUESTS_FILE))
        self._stop = threading.Event()
        self._recent_log = RecentLog()
        self._last_seen = LastSeen(clock, self._privacy)
        self._board = Board(clock, self._privacy) if config.operator else None
        self._shadow = Shadow(self._journal, clock, lambda: self._orders.configuration)
        self._lines = self._composed_lines()
        self._extras = self._composed_extras()
        self._supervisor = Supervisor(self._parts(), clock)

    def run(self, stop: threading.Event) -> bool:
        """Work until `stop` is set. False: a part could not be kept running, so start the process anew."""
        self._stop = stop
        logging.getLogger("edge_agent").addHandler(self._recent_log)
        self._slots.load_on_start()
        device = self._identity.device
        logger.info("agent_ready device=%s model=%s", device.name, self._slots.active_digest)
        is_well = self._supervisor.run(stop)
        self._journal.close()
        self._cloud.close()
        logging.getLogger("edge_agent").removeHandler(self._recent_log)
        logger.info("agent_stopped is_well=%s", is_well)
        return is_well

    def _operation(self) -> OperationSettings:
        return self._orders.configuration.operation

    def _parts(self) -> list[Part]:
        """In the order in which they stop: first what makes records, last what sends them."""
        meter = HealthMeter(
            self._config.data_folder,
            journal=self._journal,
            settings=self._operation,
            restart_count=lambda: self._supervisor.restart_count,
            clock=self._clock,
        )
        return [
            *self._lines.parts(),
            *self._operator(meter),
            self._shadow,
            HealthReporter(meter, journal=self._journal, settings=self._operation, clock=self._clock),
            self._commands(meter),
            AppliedSettings(self._orders, self._journal, self._collection.requests, self._clock),
            self._checkin(),
            self._updater(),
            self._extras,
            Sync(self._cloud, journal=self._journal, interval_s=self._sync_interval_s, clock=self._clock),
        ]

    def _composed_lines(self) -> Lines:
        device = self._identity.device
        shared = SharedByLines(
            slots=self._slots,
            journal=self._journal,
            configuration=lambda: self._orders.configuration,
            is_time_trusted=self._is_time_trusted,
            collection=self._collection,
            onlookers=(*((self._board,) if self._board else ()), self._last_seen, self._shadow),
            clock=self._clock,
        )
        return Lines(self._config, default_line=device.line, seed=device.device_id, shared=shared)

    def _operator(self, meter: HealthMeter) -> list[Part]:
        """The local page, where it is configured."""
        if self._config.operator is None or self._board is None:
            return []
        device, lines = self._identity.device, self._lines
        sources = FactSources(
            device=device.name,
            site=device.site,
            board=self._board,
            model=self._running_model,
            stations=lambda: [StationFacts(name=one.name, line=one.line, fault=one.fault) for one in lines.stations],
            outputs=lambda: [
                OutputFacts(name=one.name, waiting_count=one.waiting_count, dropped_count=one.dropped_count)
                for one in lines.outputs
            ],
            health=meter.facts,
            privacy=self._privacy,
            clock=self._clock,
        )
        return [self._board, operator_page(self._config.operator, self._config.data_folder, sources)]

    def _running_model(self) -> RunningModel:
        model = self._slots.current
        if model is None:
            return RunningModel()
        return RunningModel(name=f"{model.manifest.name} {model.manifest.version}", digest=model.digest)

    def _privacy(self) -> Privacy:
        return self._orders.configuration.collection.privacy

    def _is_time_trusted(self) -> bool:
        """Until a reply told the cloud's time nothing is known against the device's own."""
        offset_ms = self._cloud.server_time.wall_offset_ms()
        return offset_ms is None or abs(offset_ms) <= WALL_OFFSET_MAX_MS

    def _commands(self, meter: HealthMeter) -> Commands:
        parts = RemoteParts(
            health_text=lambda: health_text(meter),
            snapshot=self._last_seen.snapshot,
            recent_log=self._recent_log,
            slots=self._slots,
            versions=self._versions,
            identity=self._identity,
            clock=self._clock,
            now_ms=self._cloud.server_time.now_ms,
            restart=lambda: self._stop.set(),
            stop=lambda: self._stop,
        )
        return Commands(
            self._config.data_folder,
            orders=self._orders,
            journal=self._journal,
            clock=self._clock,
            handlers=command_handlers(parts),
        )

    def _checkin(self) -> Checkin:
        return Checkin(
            self._cloud,
            orders=self._orders,
            versions=self._slots,
            journal=self._journal,
            clock=self._clock,
            facts=CheckinFacts(hardware=self._hardware, extras=self._extras.in_use),
        )

    def _updater(self) -> Updater:
        folder = self._config.data_folder
        repository = TrustedRepository(
            folder / TRUST_FOLDER,
            root=self._identity.device.tuf_root,
            cloud=self._cloud,
            now_ms=self._cloud.server_time.now_ms,
        )
        parts = UpdateParts(
            slots=self._slots,
            versions=self._versions,
            repository=repository,
            downloads=TargetDownload(folder / DOWNLOADS_FOLDER, self._cloud),
            hardware=self._hardware,
            trial=lambda version, stop: run_trial(version, clock=self._clock, stop=stop),
        )
        return Updater(folder, orders=self._orders, journal=self._journal, clock=self._clock, parts=parts)

    def _composed_extras(self) -> Extras:
        around = Surroundings(
            folder=self._config.data_folder,
            orders=self._orders,
            journal=self._journal,
            clock=self._clock,
            hardware=self._hardware,
            shadow=self._shadow,
            restart=lambda: self._stop.set(),
            is_well=lambda: self._supervisor.restart_count == 0,
        )
        root, server_time = self._identity.device.tuf_root, self._cloud.server_time
        return composed_extras(around, self._cloud, root=root, now_ms=server_time.now_ms)

    def _sync_interval_s(self) -> float:
        return self._config.sync.interval_s or self._operation().sync_interval_s


@dataclass(frozen=True, slots=True)
class AppliedSettings:
    """Brings the settings that nobody asks for by themselves to those they concern."""

    orders: Orders
    journal: Journal
    requests: RequestBook
    clock: Clock
    name: str = "settings"

    def run(self, stop: threading.Event) -> None:
        applied: OperationSettings | None = None
        while not stop.is_set():
            operation = self.orders.configuration.operation
            if operation != applied:
                self.journal.budget(operation.disk_budget_mb * 1024 * 1024)
                logging.getLogger("edge_agent").setLevel(operation.log_level.upper())
                applied = operation
            self._save_requests()
            self.clock.wait(stop, SETTINGS_LOOK_S)

    def _save_requests(self) -> None:
        try:
            self.requests.save(self.orders.configuration.collection.requests)
        except OSError as exc:
            # The next second tries again; until then a power cut would cost images given twice.
            logger.debug("requests_not_saved error=%s", exc)


def health_text(meter: HealthMeter) -> str:
    """The answer to a health check, for people."""
    return msgspec.json.format(msgspec.json.encode(meter.facts()), indent=2).decode()


def _cloud(config: Config, identity: Identity, clock: Clock) -> HttpCloud:
    return HttpCloud(config.cloud_url, credentials=identity.credentials(), clock=clock, ca_file=config.ca_file)
