"""What a camera's own good pictures say cannot be judged is held; nothing else is."""

import itertools
import threading

import numpy as np
import pytest

from edge_agent.clock import SystemClock
from edge_agent.config import load_config
from edge_agent.journal import Journal
from edge_agent.lines import Lines, SharedByLines
from edge_agent.pipeline.baselines import Baselines, Subject
from edge_agent.pipeline.camera_watch import PRODUCTS_MAX, TROUBLE_FRAMES, CameraWatch
from edge_agent.pipeline.loop import InspectionLoop, LineParts
from edge_agent.pipeline.results import Collection, LineFacts
from edge_agent.values import Frame
from edge_agent.wire.codec import decode_record
from edge_agent.wire.configuration import CollectionSettings, Configuration
from edge_agent.wire.records import Alarm, Result
from edge_agent.wire.words import AlarmCode, CannotJudge, StreamKind, Verdict
from tests.edge_agent.pipeline.test_loop import FixedModel, HeardOutput, OneSlot
from tests.kit.agents import wait_until
from tests.kit.camera_faults import FAULTS, station_pictures

WANTED = 60
PLENTY = Configuration(collection=CollectionSettings(images_per_hour=100, random_sample_ratio=0.0))


@pytest.fixture(scope="module")
def good():
    return station_pictures(WANTED, seed=1)


@pytest.fixture(scope="module")
def unseen():
    return station_pictures(80, seed=2)


@pytest.fixture
def baselines(tmp_path):
    """Learning in its own thread, as in the agent."""
    stop, part = threading.Event(), Baselines(tmp_path / "quality")
    thread = threading.Thread(target=part.run, args=(stop,))
    thread.start()
    yield part
    stop.set()
    thread.join(10)


def frame_of(picture, product="cell"):
    return Frame(picture, b"", "item", product, "7", "", captured_ms=0, capture_ms=0.0)


def learned(baselines, pictures, *, product="cell", said=None):
    watch = CameraWatch("top", baselines, report=(said if said is not None else []).append, frames_wanted=WANTED)
    assert {watch.reason_to_hold(frame_of(one, product)) for one in pictures} == {None}
    wait_until(lambda: baselines.known(Subject("top", product)), 20)
    return watch


def faulty(name, pictures, seed=3):
    return list(FAULTS[name][1](pictures, np.random.default_rng(seed)))


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_held_with_its_reason_and_good_pictures_are_not(baselines, good, unseen, name):
    said = []
    watch = learned(baselines, good, said=said)
    assert [watch.reason_to_hold(frame_of(one)) for one in unseen[:40]] == [None] * 40
    reasons = [watch.reason_to_hold(frame_of(one)) for one in faulty(name, unseen[40:70])]
    assert reasons[8:] == [FAULTS[name][0]] * len(reasons[8:])
    assert len(said) == 1
    assert str(FAULTS[name][0]) in said[0]


def test_one_trouble_is_one_alarm_and_the_next_trouble_is_another(baselines, good, unseen):
    said = []
    watch = learned(baselines, good, said=said)
    dark, fine = itertools.cycle(faulty("underexposure", unseen[:20])), itertools.cycle(unseen[20:])

    def show(pictures, count):
        for one in itertools.islice(pictures, count):
            watch.reason_to_hold(frame_of(one))

    show(dark, TROUBLE_FRAMES - 1)
    show(fine, 1)
    assert said == []
    show(dark, 40)
    show(fine, 1)
    show(dark, 40)
    assert len(said) == 1
    show(fine, 12)
    show(dark, 40)
    assert len(said) == 2


def test_a_change_of_reason_is_logged_once(baselines, good, unseen, caplog):
    watch = learned(baselines, good)
    caplog.set_level("INFO")
    for one in [*faulty("noise", unseen[:20]), *unseen[20:40]]:
        watch.reason_to_hold(frame_of(one))
    words = [record.message.split()[0] for record in caplog.records]
    assert (words.count("camera_held"), words.count("camera_judgeable_again")) == (1, 1)


def test_what_was_learned_holds_after_a_restart(baselines, good, unseen, tmp_path):
    learned(baselines, good)
    again = CameraWatch("top", Baselines(tmp_path / "quality"), report=[].append)
    reasons = [again.reason_to_hold(frame_of(one)) for one in faulty("blur", unseen[:10])]
    assert reasons[-1] is CannotJudge.BLURRED


def test_each_product_and_each_camera_has_a_baseline_of_its_own(baselines, good, unseen):
    watch = learned(baselines, good)
    other = CameraWatch("side", baselines, report=[].append)
    for one in faulty("blur", unseen[:20]):
        assert watch.reason_to_hold(frame_of(one, "wafer")) is None
        assert other.reason_to_hold(frame_of(one)) is None


def test_a_damaged_baseline_costs_learning_anew(baselines, good, unseen, tmp_path):
    learned(baselines, good)
    (file,) = (tmp_path / "quality").iterdir()
    file.write_bytes(file.read_bytes()[:100])
    assert Baselines(tmp_path / "quality").known(Subject("top", "cell")) is None


class CountedBaselines:
    """Knows nothing, and counts what it was asked to learn."""

    def __init__(self):
        self.asked = []

    def known(self, subject):
        return None

    def learn(self, subject, calibrator):
        self.asked.append(subject)


def test_endless_products_are_not_learned_endlessly():
    baselines = CountedBaselines()
    watch = CameraWatch("top", baselines, report=[].append, frames_wanted=30)
    pictures = np.random.default_rng(1).integers(0, 255, (31, 16, 16, 3), dtype=np.uint8)
    for number, picture in itertools.product(range(PRODUCTS_MAX + 10), pictures):
        assert watch.reason_to_hold(frame_of(picture, f"serial-{number}")) is None
    assert len(baselines.asked) == PRODUCTS_MAX


def test_a_picture_of_nothing_is_left_to_the_judging(baselines):
    watch = CameraWatch("top", baselines, report=[].append)
    assert watch.reason_to_hold(frame_of(np.zeros((64, 64, 3), np.uint8))) is None


class Shown:
    """A live camera that shows these pictures, one per part."""

    def __init__(self, pictures):
        self._pictures = iter(pictures)

    def capture(self):
        return frame_of(next(self._pictures))


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path / "journal", SystemClock())
    yield journal
    journal.close()


def inspected(journal, pictures, watch):
    """The results of these pictures by a model that is always sure, and what probation heard."""
    slots, output = OneSlot(FixedModel(0.9)), HeardOutput()
    parts = LineParts(
        camera=Shown(pictures),
        slots=slots,
        journal=journal,
        output=output,
        configuration=lambda: PLENTY,
        collection=Collection(),
        watch=watch,
    )
    loop = InspectionLoop(parts, LineFacts(line="line-1", sampling_seed="s"), SystemClock())
    for _ in pictures:
        loop.inspect_next(PLENTY)
    items = journal.batch(StreamKind.INSPECTION, 1000).items
    return [one for one in map(decode_record, items) if isinstance(one, Result)], slots.observed, output.told


def test_a_stuck_camera_is_told_and_recorded_and_cannot_fill_the_image_budget(baselines, journal, good, unseen):
    watch = learned(baselines, good)
    pictures = [unseen[0]] * 60
    results, observed, told = inspected(journal, pictures, watch)
    assert [one.cannot_judge for one in told] == [None] + [CannotJudge.FROZEN] * 59
    assert [one.cannot_judge for one in results] == [one.cannot_judge for one in told]
    assert sum(one.image is not None for one in results) == 5
    assert len(observed) == 1


def test_without_a_watch_the_same_pictures_are_judged(journal, unseen):
    results, observed, told = inspected(journal, faulty("blur", unseen[:20]), None)
    assert {one.verdict for one in told} == {Verdict.DEFECT}
    assert len(results) == len(observed) == 20


CAMERAS = """
cloud_url = "http://127.0.0.1:1"
data_folder = "data"
[[cameras]]
folder = "images"
[[cameras]]
kind = "stream"
address = "rtsp://10.0.0.7/1"
[[cameras]]
kind = "stream"
address = "rtsp://10.0.0.8/1"
[cameras.quality]
enabled = false
[[cameras]]
folder = "images"
[cameras.quality]
enabled = true
"""


def lines(folder, journal, text):
    (folder / "agent.toml").write_text(text)
    shared = SharedByLines(
        slots=OneSlot(),
        journal=journal,
        configuration=Configuration,
        is_time_trusted=lambda: True,
        collection=Collection(),
        onlookers=(),
        clock=SystemClock(),
    )
    return Lines(load_config(folder / "agent.toml"), default_line="l", seed="s", shared=shared)


def test_live_cameras_are_watched_and_replays_are_not_unless_it_is_set(tmp_path, journal):
    composed = lines(tmp_path, journal, CAMERAS)
    assert [one.watch is not None for one in composed.stations] == [False, True, False, True]
    assert "quality" in [part.name for part in composed.parts()]
    replay_alone = CAMERAS.partition("[[cameras]]\nkind")[0]
    assert "quality" not in [part.name for part in lines(tmp_path, journal, replay_alone).parts()]


def test_a_lasting_fault_reaches_the_journal_as_one_alarm(tmp_path, journal, good, unseen):
    composed = lines(tmp_path, journal, CAMERAS)
    watch, stop = composed.stations[1].watch, threading.Event()
    part = next(part for part in composed.parts() if part.name == "quality")
    thread = threading.Thread(target=part.run, args=(stop,))
    thread.start()
    for one in itertools.islice(itertools.cycle(good), 200):
        watch.reason_to_hold(frame_of(one))
    wait_until(lambda: part.known(Subject("2", "cell")), 20)
    stop.set()
    thread.join(10)
    for one in faulty("noise", unseen):
        watch.reason_to_hold(frame_of(one))
    wait_until(lambda: journal.batch(StreamKind.CONTROL, 10), 10)
    alarms = [decode_record(item) for item in journal.batch(StreamKind.CONTROL, 10).items]
    assert [(type(one), one.code) for one in alarms] == [(Alarm, AlarmCode.CAMERA_MAINTENANCE)]
