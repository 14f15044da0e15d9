"""What a site allows and a device can hold decides when a download begins, and how fast it comes."""

import msgspec
import pytest

from edge_agent.journal import JournalUnavailable
from edge_agent.update.pacing import Room, Throttle, closed_for_s, lacking_room
from edge_agent.update.probation import sure_shift_ratio
from edge_agent.values import ItemObservation
from edge_agent.wire.manifest import Compatibility
from edge_agent.wire.messages import ModelOffer
from edge_agent.wire.words import Verdict
from tests.kit.handclock import HandClock
from tests.kit.models import tiny_package
from tests.kit.updating import ListJournal, UpdatingDevice, run_for_good

GIB = 1024**3
MINUTE_MS = 60_000


@pytest.fixture
def old(tmp_path):
    return tiny_package(tmp_path, score=0.1, version="old")


@pytest.fixture
def new(tmp_path, artifacts):
    package = tiny_package(tmp_path, score=0.9, version="new")
    artifacts.add(package.offer().target_path, package.content)
    artifacts.publish()
    return package


@pytest.fixture
def make(tmp_path, artifacts, cloud, old):
    """A device on which `old` runs."""
    run_for_good(tmp_path / "device", old)

    def made(**options):
        return UpdatingDevice(tmp_path / "device", cloud=cloud, root=artifacts.root_bytes, clock=HandClock(), **options)

    return made


@pytest.mark.parametrize(
    ("room", "code"),
    [(Room(GIB, GIB), ""), (Room(10, GIB), "disk_short"), (Room(GIB, 10), "memory_short")],
)
def test_a_download_that_does_not_fit_is_refused_before_its_first_byte(make, new, server, room, code):
    device = make(room=lambda: room)
    device.order(new.offer())
    device.settle()
    step = device.journal.steps[-1]
    assert (step.state, step.reason.split(":")[0]) == ("failed" if code else "confirmed", code)
    assert bool(server.requests) is not bool(code)


def test_room_that_comes_back_lets_the_download_begin(make, new):
    rooms = iter([Room(10, GIB), Room(GIB, GIB)])
    device = make(room=lambda: next(rooms))
    device.order(new.offer())
    device.settle()
    assert device.journal.states[-1] == "confirmed"


def test_what_lies_on_the_disk_already_needs_no_room_again():
    offer = tiny_offer(size_bytes=GIB)
    room = Room(disk_free_bytes=int(1.2 * GIB), memory_available_bytes=4 * GIB)
    assert lacking_room(offer, room).startswith("disk_short")
    assert lacking_room(offer, room, had_bytes=GIB) == ""


@pytest.mark.parametrize(
    ("wants", "code"),
    [
        (Compatibility(engine="litert9"), "engine_missing"),
        (Compatibility(cpu_flags=["warp_drive"]), "cpu_flags_missing"),
        (Compatibility(min_memory_bytes=2**60), "memory_too_small"),
    ],
)
def test_an_offer_that_does_not_suit_the_machine_costs_no_download(make, new, server, wants, code):
    device = make()
    device.order(msgspec.structs.replace(new.offer(), compatibility=wants))
    device.settle()
    assert device.journal.states == ["offered", "downloading", "incompatible"]
    assert device.journal.steps[-1].reason.split(":")[0] == code
    assert server.requests == []


@pytest.mark.parametrize(
    ("minute", "opens_in_min"),
    [(0, 0), (59, 0), (60, 21 * 60), (1319, 1), (1320, 0), (1439, 0)],
)
def test_a_window_may_reach_past_midnight(minute, opens_in_min):
    offer = tiny_offer(window_start_minute=22 * 60, window_minutes=180)
    assert closed_for_s(offer, minute * MINUTE_MS) == opens_in_min * 60


def test_no_byte_is_fetched_outside_the_sites_window_and_waiting_is_no_try(make, new, server):
    device = make()
    now_minute = device.updater._parts.repository.now_ms() // MINUTE_MS % 1440
    closed = {"window_start_minute": (now_minute + 720) % 1440, "window_minutes": 5}
    device.order(msgspec.structs.replace(new.offer(), **closed))
    for _ in range(20):
        device.updater.advance()
        device.clock.turn(400)
    assert device.journal.states == ["offered", "downloading"]
    assert server.requests == []
    device.order(new.offer(), revision="2")
    device.settle()
    assert device.journal.states[-1] == "confirmed"


def test_a_download_keeps_to_its_bandwidth(make, new):
    device = make()
    before_s = device.clock.monotonic_s()
    device.order(msgspec.structs.replace(new.offer(), max_bytes_per_s=100))
    for _ in range(3):
        device.updater.advance()
    assert device.clock.monotonic_s() - before_s == pytest.approx(new.offer().size_bytes / 100, abs=1)


def test_an_unlimited_download_never_pauses():
    assert Throttle(0, begun_s=0.0).pause_s(10**9, now_s=0.0) == 0.0


def seen(device, digest, *, defects, of):
    for n in range(of):
        verdict = Verdict.DEFECT if n < defects else Verdict.OK
        device.slots.observe(ItemObservation(digest=digest, verdict=verdict, is_error=False, total_ms=5.0))


@pytest.mark.parametrize(
    ("limit", "defects", "state"),
    [(0.1, 90, "rolled_back"), (0.1, 8, "confirmed"), (None, 90, "confirmed")],
)
def test_a_version_that_says_something_else_than_the_one_before_goes_back(make, old, new, limit, defects, state):
    device = make()
    device.order(msgspec.structs.replace(new.offer(probation_items=100), max_defect_shift_ratio=limit))
    seen(device, old.digest, defects=5, of=100)
    while device.slots.active_digest == old.digest:
        device.updater.advance()
    device = device.restarted()
    seen(device, new.digest, defects=defects, of=100)
    device.updater.advance()
    last = device.journal.steps[-1]
    assert last.state == state
    assert (last.evidence["defect_count_before"], last.evidence["defect_count"]) == (5, defects)
    assert last.reason == ("probation_distribution" if state == "rolled_back" else "")


def test_a_shift_that_chance_explains_is_none():
    assert sure_shift_ratio((3, 1), (50, 50)) == 0.0
    assert sure_shift_ratio((45, 5), (50, 50)) > 0.5


class JournalThatIsFull(ListJournal):
    """Takes nothing for a while, at each second record."""

    def __init__(self):
        super().__init__()
        self.asked = 0

    def append(self, record):
        self.asked += 1
        if self.asked % 2:
            raise JournalUnavailable("the disk is full")
        return super().append(record)


def test_a_journal_that_takes_nothing_delays_an_update_and_loses_no_step(make, new):
    device = make(journal=JournalThatIsFull())
    device.order(new.offer())
    stop = StopWhen(lambda: device.journal.states[-1:] == ["confirmed"], device)
    device.updater.run(stop)
    assert list(dict.fromkeys(device.journal.states)) == [
        "offered",
        "downloading",
        "staged",
        "trial",
        "probation",
        "confirmed",
    ]
    assert device.slots.active_digest == new.digest


class StopWhen:
    """A stop that comes when something is true; meanwhile items pass on the line."""

    def __init__(self, is_done, device):
        self._is_done, self._device, self._turns = is_done, device, 0

    def is_set(self):
        self._turns += 1
        assert self._turns < 500, self._device.journal.states
        self._device.inspect(5)
        return self._is_done()


def tiny_offer(**fields):
    base = {"target_id": 1, "name": "m", "version": "1", "target_path": "m", "digest": "0" * 64, "size_bytes": 1}
    return ModelOffer(**{**base, **fields})
