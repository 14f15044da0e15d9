"""A camera that fails in every way it can, and comes back by itself."""

import threading

import numpy as np
import pytest

from edge_agent.clock import SystemClock
from edge_agent.config import SupervisedConfig
from edge_agent.line.backoff import LONGEST_S, Backoff
from edge_agent.line.camera import BadFrame, CameraFault, SourceLost
from edge_agent.line.cameras.checks import SeriesCheck
from edge_agent.line.cameras.reader import Reader
from edge_agent.line.cameras.supervised import HUNG_MAX, SupervisedCamera
from tests.kit.agents import wait_until
from tests.kit.handclock import HandClock
from tests.kit.sources import FakeSource

TIMEOUT_S = 0.2


class Station:
    """A supervised camera whose supervisor runs, as in the agent."""

    def __init__(self, source, **options):
        settings = {"timeout_s": TIMEOUT_S, "open_timeout_s": 0.5, "product": "cell", **options}
        self.source = source
        self.camera = SupervisedCamera("one", SupervisedConfig(**settings), lambda: source, SystemClock())
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.camera.run, args=(self._stop,))
        self._thread.start()

    def picture(self, timeout_s=10):
        """The next good picture, however often it takes."""
        taken = []

        def is_taken():
            try:
                taken.append(self.camera.capture())
            except CameraFault:
                return False
            return True

        wait_until(is_taken, timeout_s)
        return taken[0]

    def close(self):
        self.source.let_go.set()
        self._stop.set()
        self._thread.join(5)


@pytest.fixture
def station():
    stations = []

    def build(source, **options):
        stations.append(Station(source, **options))
        return stations[-1]

    yield build
    for one in stations:
        one.close()


@pytest.mark.parametrize("is_streaming", [True, False])
def test_pictures_come_with_parts_that_never_repeat(station, is_streaming):
    here = station(FakeSource(is_streaming=is_streaming))
    frames = [here.picture() for _ in range(5)]
    assert len({frame.item for frame in frames}) == 5
    assert {(frame.product, frame.source, frame.encoded) for frame in frames} == {("cell", "", b"")}
    assert frames[0].pixels.shape == (32, 48, 3)


def test_a_stream_gives_what_came_after_the_trigger(station):
    here = station(FakeSource(is_streaming=True))
    first, second = here.picture(), here.picture()
    assert not np.array_equal(first.pixels, second.pixels)


@pytest.mark.parametrize("is_streaming", [True, False])
@pytest.mark.parametrize("fault", ["is_unplugged", "is_garbage", "is_raising", "is_hanging"])
def test_it_says_what_is_wrong_and_is_back_when_that_ends(station, fault, is_streaming):
    here = station(FakeSource(is_streaming=is_streaming))
    here.picture()
    setattr(here.source, fault, True)
    with pytest.raises(CameraFault):
        for _ in range(20):
            here.camera.capture()
    setattr(here.source, fault, False)
    here.source.let_go.set()
    assert here.picture().pixels.shape == (32, 48, 3)


def test_garbage_is_a_part_without_a_picture(station):
    here = station(FakeSource())
    here.picture()
    here.source.is_garbage = True
    with pytest.raises(BadFrame, match="half a JPEG") as caught:
        here.camera.capture()
    assert caught.value.part.product == "cell"


def test_a_blocked_read_costs_the_line_no_more_than_its_limit(station):
    here = station(FakeSource())
    here.picture()
    here.source.is_hanging = True
    clock = SystemClock()
    start_s = clock.monotonic_s()
    with pytest.raises(CameraFault):
        here.camera.capture()
    assert clock.monotonic_s() - start_s < TIMEOUT_S + 2


def test_a_picture_that_comes_too_late_is_never_taken_for_the_next_part():
    source = FakeSource()
    reader = Reader(source, SystemClock(), "one")
    wait_until(lambda: reader.is_open and reader.busy_s() == 0, 10)
    source.is_hanging = True
    with pytest.raises(SourceLost, match="no picture within"):
        reader.next_shot(0.05)
    with pytest.raises(SourceLost, match="still on its way"):
        reader.next_shot(10)
    source.is_hanging = False
    source.let_go.set()
    wait_until(lambda: reader.busy_s() == 0, 10)
    late = reader._latest
    assert not np.array_equal(reader.next_shot(10).pixels, late.pixels)
    reader.abandon()


def test_a_camera_that_hangs_for_ever_costs_a_bounded_number_of_threads(station):
    source = FakeSource(is_streaming=True)
    source.is_hanging = True
    here = station(source, timeout_s=0.02)
    wait_until(lambda: "hang in the driver" in here.camera.fault, 30)
    assert source.opened_count == HUNG_MAX
    source.is_hanging = False
    source.let_go.set()
    assert here.picture() is not None


def test_a_frozen_camera_is_refused_and_opened_anew(station):
    here = station(FakeSource(), frozen_after=4)
    here.picture()
    here.source.is_frozen = True
    with pytest.raises(BadFrame, match="frozen"):
        for _ in range(5):
            here.camera.capture()
    wait_until(lambda: here.source.opened_count > 1, 10)
    here.source.is_frozen = False
    assert here.picture() is not None


def test_a_changed_size_is_refused_until_the_old_one_is_back(station):
    here = station(FakeSource())
    here.picture()
    here.source.size_px = (24, 16)
    with pytest.raises(BadFrame, match="24 x 16 px instead of 48 x 32 px"):
        here.camera.capture()
    wait_until(lambda: here.source.opened_count > 1, 10)
    with pytest.raises(TimeoutError):
        here.picture(timeout_s=0.5)
    here.source.size_px = (48, 32)
    assert here.picture().pixels.shape == (32, 48, 3)


def test_a_configured_size_holds_from_the_first_picture_on(station):
    here = station(FakeSource(), width_px=640, height_px=480)
    wait_until(lambda: not here.camera.fault, 10)
    with pytest.raises(BadFrame, match="instead of 640 x 480"):
        here.camera.capture()


def test_the_thread_that_opened_a_source_closes_it(station):
    here = station(FakeSource())
    here.picture()
    here.close()
    wait_until(lambda: here.source.closed_count == here.source.opened_count, 5)


def test_one_cameras_hang_leaves_the_other_alone(station):
    sick, well = station(FakeSource(1)), station(FakeSource(2))
    sick.picture()
    sick.source.is_hanging = True
    with pytest.raises(CameraFault):
        sick.camera.capture()
    assert len({well.picture().item for _ in range(20)}) == 20
    assert well.source.opened_count == 1


def test_the_pause_doubles_up_to_its_bound_and_half_of_it_is_chance():
    clock = HandClock()
    longest = [Backoff(clock, draw=lambda: 1.0)]
    pauses_s = [longest[0].failed() for _ in range(9)]
    assert pauses_s == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    shortest = Backoff(clock, draw=lambda: 0.0)
    assert [shortest.failed() for _ in range(9)] == [pause_s / 2 for pause_s in pauses_s]
    assert max(pauses_s) == LONGEST_S


def test_a_camera_that_held_for_a_minute_begins_anew():
    clock = HandClock()
    backoff = Backoff(clock, draw=lambda: 1.0)
    backoff.failed()
    backoff.failed()
    clock.turn(10)
    assert backoff.is_due
    backoff.tried()
    clock.turn(61)
    assert backoff.failed() == 0.5
    assert not backoff.is_due


def test_a_still_that_is_no_live_camera_is_never_frozen():
    check = SeriesCheck(size_px=None, frozen_after=2)
    check.opened(is_live=False)
    pixels = np.zeros((32, 32, 3), np.uint8)
    assert [check.fault(pixels) for _ in range(5)] == [""] * 5
    check.opened(is_live=True)
    assert [bool(check.fault(pixels)) for _ in range(3)] == [False, True, True]
