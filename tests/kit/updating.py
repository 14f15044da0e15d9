"""A device that updates: real slots, orders, repository and downloads in a folder; journal and trial in memory."""

from pathlib import Path

import msgspec

from edge_agent.clock import SystemClock
from edge_agent.hardware import hardware
from edge_agent.orders import Orders
from edge_agent.update.manifest import open_package
from edge_agent.update.slots import Slots
from edge_agent.update.trial import try_version
from edge_agent.update.trust import TargetDownload, TrustedRepository
from edge_agent.update.updater import UpdatePace, UpdateParts, Updater
from edge_agent.update.versions import Versions
from edge_agent.values import ItemObservation
from edge_agent.wire.messages import DesiredState
from edge_agent.wire.records import Alarm, UpdateStep
from edge_agent.wire.words import Verdict


class ListJournal:
    """Keeps what was appended."""

    def __init__(self):
        self.records = []

    def append(self, record):
        self.records.append(record)
        return len(self.records)

    @property
    def steps(self):
        return [record for record in self.records if isinstance(record, UpdateStep)]

    @property
    def states(self):
        return [str(step.state) for step in self.steps]

    @property
    def alarms(self):
        return [record for record in self.records if isinstance(record, Alarm)]


def install(folder: Path, package):
    with package.path.open("rb") as file:
        return Versions(folder / "models").install(open_package(file), package.digest)


def run_for_good(folder: Path, package):
    """Leave `folder` as that of a device on which `package` runs, proven."""
    slots = Slots(folder, Versions(folder / "models"))
    slots.activate(install(folder, package))
    slots.confirm()


class UpdatingDevice:
    """Opened from disk as an agent that starts. `restarted()` opens it again."""

    def __init__(
        self, folder: Path, *, cloud, root: bytes, clock, journal=None, trial=None, slots_class=Slots, room=None
    ):
        self._arguments = {
            "cloud": cloud,
            "root": root,
            "clock": clock,
            "trial": trial,
            "slots_class": slots_class,
            "room": room,
        }
        self.folder = folder
        self.clock = clock
        self.journal = journal or ListJournal()
        self.orders = Orders(folder, clock)
        versions = Versions(folder / "models")
        self.slots = slots_class(folder, versions)
        self.slots.load_on_start()
        self.updater = Updater(
            folder,
            orders=self.orders,
            journal=self.journal,
            clock=clock,
            parts=UpdateParts(
                slots=self.slots,
                versions=versions,
                repository=TrustedRepository(folder / "tuf", root=root, cloud=cloud, now_ms=SystemClock().wall_ms),
                downloads=TargetDownload(folder / "downloads", cloud),
                hardware=hardware(),
                trial=trial or (lambda version, stop: try_version(Path(version.folder))),
                room=room,
            ),
            pace=UpdatePace(retry_s=1.0),
        )

    def restarted(self):
        return UpdatingDevice(self.folder, journal=self.journal, **self._arguments)

    def order(self, offer, *, revision="1"):
        self.orders.accept(DesiredState(revision=revision, checkin_interval_s=1.0, server_time_ms=0, model=offer))

    def inspect(self, count, *, errors=0, total_ms=5.0):
        """Items on the line, judged by what runs."""
        for n in range(count):
            digest = self.slots.active_digest
            self.slots.observe(
                ItemObservation(digest=digest, verdict=Verdict.OK, is_error=n < errors, total_ms=total_ms)
            )

    def settle(self, *, turns=60, items=50, **fields):
        """Let the updater work, with items on the line, until it has nothing to do."""
        self.updater.resume()
        for _ in range(turns):
            if self.slots.active_digest is not None:
                self.inspect(items, **fields)
            if not self.updater.advance():
                update = self.updater._store.update
                if update is None or update.is_final:
                    return self
                self.clock.turn(2.0)
        raise AssertionError(f"not settled: {self.journal.states}")


def with_limits(offer, **limits):
    return msgspec.structs.replace(offer, **limits)
