"""What the line is told, and when."""

import threading

import cv2
import numpy as np
import pytest

from edge_agent.clock import SystemClock
from edge_agent.config import ReplayConfig
from edge_agent.journal import Backlog, Journal, JournalFull, Ticket
from edge_agent.line.cameras.replay import ReplayCamera
from edge_agent.pipeline.judging import Turn
from edge_agent.pipeline.loop import InspectionLoop, LineParts
from edge_agent.pipeline.results import LineFacts
from edge_agent.values import Digest, Judgement
from edge_agent.wire.codec import decode_record
from edge_agent.wire.configuration import Configuration, InspectionSettings
from edge_agent.wire.records import Alarm, Result, Window
from edge_agent.wire.words import AlarmCode, CannotJudge, FlagReason, StreamKind, Verdict
from tests.kit.handclock import HandClock

DIGEST = Digest("a" * 64)


class HeardOutput:
    def __init__(self):
        self.told = []

    def tell(self, told):
        self.told.append(told)


class FixedModel:
    """Answers every frame with one score, or breaks."""

    def __init__(self, score_ratio, digest=DIGEST, *, is_broken=False):
        self.digest = digest
        self._score_ratio = score_ratio
        self._is_broken = is_broken

    def judge(self, pixels, threshold_ratio):
        if self._is_broken:
            raise RuntimeError("the native runtime fell over")
        threshold_ratio = 0.5 if threshold_ratio is None else threshold_ratio
        verdict = Verdict.DEFECT if self._score_ratio >= threshold_ratio else Verdict.OK
        return Judgement(verdict, verdict.value, self._score_ratio, threshold_ratio, None)


class OneSlot:
    def __init__(self, model=None):
        self.current = model
        self.observed = []

    def observe(self, observation):
        self.observed.append(observation)


class Scene:
    """A loop over a folder with one image and a real journal."""

    def __init__(self, folder, *, model=None, journal=None, clock=None, settings=None, **parts):
        self.images = folder / "images"
        self.images.mkdir()
        self.clock = clock or SystemClock()
        self.output = HeardOutput()
        self.slots = OneSlot(model)
        self.settings = settings or Configuration()
        self.is_time_trusted = True
        self.journal = journal or Journal(folder / "journal", SystemClock())
        parts = LineParts(
            camera=ReplayCamera(ReplayConfig(folder=self.images, product="cell", lot="7"), self.clock),
            slots=self.slots,
            journal=self.journal,
            output=self.output,
            configuration=lambda: self.settings,
            is_time_trusted=lambda: self.is_time_trusted,
            **parts,
        )
        self.loop = InspectionLoop(parts, LineFacts(line="line-1", sampling_seed="device-1"), self.clock)

    def show(self, content=None):
        pixels = np.random.default_rng(3).integers(0, 255, (64, 64, 3), dtype=np.uint8)
        (self.images / "part.png").write_bytes(content or cv2.imencode(".png", pixels)[1].tobytes())
        return self

    def inspect(self, count=1):
        for _ in range(count):
            self.loop.inspect_next(self.settings)
        return self

    def records(self, kind=StreamKind.INSPECTION):
        batch = self.journal.batch(kind, 1000)
        return [decode_record(item) for item in batch.items] if batch else []


@pytest.fixture
def scene(tmp_path):
    scenes = []

    def build(**options):
        scenes.append(Scene(tmp_path, **options))
        return scenes[-1]

    yield build
    for one in scenes:
        if isinstance(one.journal, Journal):
            one.journal.close()


def test_what_the_line_is_told_is_in_the_journal_under_that_number(scene):
    here = scene(model=FixedModel(0.9)).show().inspect(3)
    results = here.records()
    assert [told.seq for told in here.output.told] == [1, 2, 3]
    assert [(told.item, told.verdict) for told in here.output.told] == [(r.item, r.verdict) for r in results]
    assert results[0].verdict is Verdict.DEFECT
    assert (results[0].model_digest, results[0].product, results[0].lot) == (DIGEST, "cell", "7")


def test_a_device_without_a_model_says_so_and_the_line_goes_on(scene):
    here = scene().show().inspect(2)
    assert [told.verdict for told in here.output.told] == [Verdict.CANNOT_JUDGE] * 2
    assert {record.cannot_judge for record in here.records()} == {CannotJudge.NO_MODEL}
    assert here.slots.observed == []


def test_a_model_that_breaks_costs_one_verdict_and_is_observed(scene):
    here = scene(model=FixedModel(0.9, is_broken=True)).show().inspect()
    assert here.output.told[0].cannot_judge is CannotJudge.ENGINE_ERROR
    assert here.slots.observed[0].is_error
    assert here.records()[0].image.reason is FlagReason.CANNOT_JUDGE


def test_an_uncertain_item_keeps_its_image_for_people(scene):
    here = scene(model=FixedModel(0.45)).show().inspect()
    kept = here.records()[0].image
    assert kept.reason is FlagReason.LOW_CONFIDENCE
    assert here.journal.image_read(kept.sha256, 0, 10**6) == (here.images / "part.png").read_bytes()


def test_a_picture_that_is_none_still_gets_a_record(scene):
    here = scene(model=FixedModel(0.9)).show(b"\x89PNG but cut off").inspect()
    assert here.output.told[0].cannot_judge is CannotJudge.BAD_FRAME
    assert here.records()[0].cannot_judge is CannotJudge.BAD_FRAME


def test_an_empty_folder_is_one_alarm_and_no_item(scene):
    here = scene(clock=HandClock()).inspect(3)
    assert here.output.told == []
    assert [alarm.code for alarm in here.records(StreamKind.CONTROL)] == [AlarmCode.CAMERA_FAULT]
    here.show().inspect()
    assert len(here.output.told) == 1


def test_a_pushed_threshold_holds_from_the_next_item_on(scene):
    here = scene(model=FixedModel(0.6)).show().inspect()
    here.settings = Configuration(inspection=InspectionSettings(threshold_ratio=0.7))
    here.inspect()
    assert [told.verdict for told in here.output.told] == [Verdict.DEFECT, Verdict.OK]


def test_a_window_ends_with_the_version_that_it_sums(scene):
    here = scene(model=FixedModel(0.9)).show().inspect(2)
    here.slots.current = FixedModel(0.1, digest=Digest("b" * 64))
    here.inspect()
    window = next(record for record in here.records() if isinstance(record, Window))
    assert (window.model_digest, window.verdict_counts) == (DIGEST, {Verdict.DEFECT: 2})
    assert window.score_percent.buckets


def test_stopping_closes_the_window(scene):
    here = scene(model=FixedModel(0.9)).show()
    stop = threading.Event()
    thread = threading.Thread(target=here.loop.run, args=(stop,))
    thread.start()
    while not here.output.told:
        stop.wait(0.01)
    stop.set()
    thread.join(10)
    assert isinstance(here.records()[-1], Window)
    assert sum(here.records()[-1].verdict_counts.values()) == len(here.output.told)


class FullJournal:
    """Refuses, or never answers."""

    def __init__(self, *, is_silent):
        self._is_silent = is_silent

    def submit(self, record, *, images=()):
        ticket = Ticket()
        if not self._is_silent:
            ticket.fail(JournalFull("full"))
        return ticket

    def backlog(self):
        return Backlog()


@pytest.mark.parametrize("is_silent", [True, False])
def test_a_verdict_that_cannot_be_recorded_is_told_without_a_promise(scene, is_silent):
    here = scene(model=FixedModel(0.9), journal=FullJournal(is_silent=is_silent)).show().inspect()
    assert here.output.told[0].verdict is Verdict.DEFECT
    assert not here.output.told[0].is_recorded


class SlowModel(FixedModel):
    """Takes its time, on the hand clock."""

    def __init__(self, clock, slow_s):
        super().__init__(0.9)
        self._clock = clock
        self._slow_s = slow_s

    def judge(self, pixels, threshold_ratio):
        self._clock.turn(self._slow_s)
        return super().judge(pixels, threshold_ratio)


def test_a_late_verdict_is_given_and_marked(scene):
    clock = HandClock()
    here = scene(model=SlowModel(clock, 0.5), clock=clock).show().inspect()
    assert here.output.told[0].verdict is Verdict.DEFECT
    assert not here.records()[0].timing.is_in_time


def test_missed_beats_are_not_made_up_for(scene):
    clock, stop = HandClock(), threading.Event()
    here = scene(model=SlowModel(clock, 2.0), clock=clock, settings=Configuration()).show()
    # 2 s per item at a takt of 0.8 s: no wait, and no growing debt either.
    original_tell = here.output.tell

    def tell(told):
        original_tell(told)
        if len(here.output.told) == 3:
            here.slots.current = FixedModel(0.9)
        if len(here.output.told) == 6:
            stop.set()

    here.output.tell = tell
    here.loop.run(stop)
    assert clock.waited_s[:3] == [0.0, 0.0, 0.0]
    assert clock.waited_s[3:5] == pytest.approx([0.8, 0.8])


def test_stamps_of_a_clock_that_is_known_to_be_wrong_are_marked(scene):
    here = scene(model=FixedModel(0.9)).show().inspect()
    here.is_time_trusted = False
    here.inspect()
    assert [record.is_time_trusted for record in here.records()] == [True, False]


def test_alarms_and_results_are_different_streams(scene):
    here = scene(model=FixedModel(0.9)).show().inspect()
    assert all(isinstance(record, Result) for record in here.records())
    assert not any(isinstance(record, Alarm) for record in here.records())


class TriggeredPace:
    """Something saw each part."""

    proves_parts = True

    def wait(self, stop):
        return not stop.is_set()


def test_a_triggered_part_gets_a_verdict_even_without_a_camera(scene):
    here = scene(model=FixedModel(0.9), pace=TriggeredPace()).inspect(2)
    assert [told.cannot_judge for told in here.output.told] == [CannotJudge.BAD_FRAME] * 2
    assert len({record.item for record in here.records()}) == 2


def test_the_wait_for_another_cameras_frame_is_told_apart(scene):
    turn, model = Turn(), FixedModel(0.9)
    here = scene(model=model, turn=turn).show()
    is_in_model, may_leave = threading.Event(), threading.Event()

    class Slow(FixedModel):
        def judge(self, pixels, threshold_ratio):
            is_in_model.set()
            may_leave.wait(10)
            return super().judge(pixels, threshold_ratio)

    frame = here.loop._parts.camera.capture()
    other = threading.Thread(target=turn.judged, args=(Slow(0.1), frame, None), kwargs={"wait_s": 1})
    other.start()
    is_in_model.wait(10)
    threading.Timer(0.05, may_leave.set).start()
    here.settings = Configuration(inspection=InspectionSettings(deadline_ms=60_000))
    here.inspect()
    other.join()
    assert here.records()[0].timing.queue_ms > 20
    assert here.records()[0].verdict is Verdict.DEFECT


def test_a_part_whose_turn_does_not_come_in_time_cannot_be_judged(scene):
    turn = Turn()
    here = scene(model=FixedModel(0.9), turn=turn).show()
    with turn._lock:
        here.inspect()
    assert here.output.told[0].cannot_judge is CannotJudge.TOO_LATE


class Bystander:
    def __init__(self):
        self.seen = []

    def saw(self, seen):
        self.seen.append(seen)


def test_onlookers_see_what_the_line_was_told(scene):
    bystander = Bystander()
    here = scene(model=FixedModel(0.9), onlookers=(bystander,)).show().inspect()
    (seen,) = bystander.seen
    assert seen.told == here.output.told[0]
    assert (seen.line, seen.digest, seen.frame.pixels.shape) == ("line-1", DIGEST, (64, 64, 3))


def test_the_wait_for_the_disk_is_in_the_window_and_in_what_is_told(scene):
    here = scene(model=FixedModel(0.9)).show().inspect(2)
    here.slots.current = None
    here.inspect()
    window = next(record for record in here.records() if isinstance(record, Window))
    assert sum(window.journal_ms.buckets.values()) + window.journal_ms.zero_count == 2
    told = here.output.told[0]
    assert told.told_ms >= told.total_ms
    assert told.score_ratio == 0.9


def test_the_window_counts_why_items_could_not_be_judged(scene):
    here = scene().show().inspect(2)
    here.slots.current = FixedModel(0.9)
    here.inspect()
    window = next(record for record in here.records() if isinstance(record, Window))
    assert window.cannot_judge_counts == {CannotJudge.NO_MODEL: 2}
