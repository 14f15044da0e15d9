"""A candidate looks on: what both said is summed, and the line's time is never taken."""

from dataclasses import replace

import numpy as np
import pytest

from edge_agent.contract.sketches import QuantileSketch
from edge_agent.line.outputs import Told
from edge_agent.pipeline.onlookers import Seen
from edge_agent.pipeline.shadow import Shadow, ShadowBudget
from edge_agent.values import Frame, Judgement
from edge_agent.wire.codec import decode_record, encode
from edge_agent.wire.configuration import Configuration
from edge_agent.wire.words import CannotJudge, Verdict
from tests.kit.handclock import HandClock

ACTIVE, CANDIDATE = "a" * 64, "c" * 64
QUARTER = ShadowBudget(cpu_ratio=0.25)
PIXELS = np.zeros((4, 4, 3), np.uint8)


class Candidate:
    """Takes `took_s` of the processor for each item."""

    digest = CANDIDATE

    def __init__(self, clock, *, score=0.9, took_s=0.01):
        self.clock, self.score, self.took_s = clock, score, took_s
        self.used_s = 0.0

    def judge(self, pixels, threshold_ratio):
        if self.score is None:
            raise RuntimeError("native trouble")
        self.clock.turn(self.took_s)
        self.used_s += self.took_s
        return judgement(self.score)


def judgement(score):
    verdict = Verdict.DEFECT if score >= 0.5 else Verdict.OK
    return Judgement(verdict=verdict, label="", score_ratio=score, threshold_ratio=0.5, cannot_judge=None, infer_ms=4.0)


def seen(n, *, score=0.1, total_ms=5.0, digest=ACTIVE, line="line-1"):
    frame = Frame(
        pixels=PIXELS, encoded=b"", item=f"i-{n}", product="", lot="", source="", captured_ms=0, capture_ms=0.0
    )
    told = Told(item=f"i-{n}", verdict=Verdict.OK, label="", cannot_judge=None, seq=n, total_ms=total_ms)
    return Seen(line=line, frame=frame, judgement=judgement(score), told=told, digest=digest, at_ms=0)


class SubmitJournal:
    def __init__(self):
        self.windows = []

    def submit(self, record):
        self.windows.append(decode_record(encode(record)))


class World:
    def __init__(self, budget=QUARTER, **candidate):
        self.clock = HandClock()
        self.journal = SubmitJournal()
        self.candidate = Candidate(self.clock, **candidate)
        self.shadow = Shadow(
            self.journal, self.clock, lambda: Configuration(), budget=budget, cpu_s=lambda: self.candidate.used_s
        )
        self.shadow.candidate = self.candidate

    def pass_items(self, count, *, takt_s=0.8, is_working=True, **item):
        for n in range(count):
            self.shadow.saw(seen(n, **item))
            if is_working:
                self.shadow.work()
            self.clock.turn(takt_s)

    def window(self):
        self.clock.turn(60)
        self.shadow.work()
        return self.journal.windows[-1]


def test_pairs_are_summed_in_an_agreement_table_with_sketches():
    world = World(score=0.9)
    world.pass_items(30, score=0.1)
    world.pass_items(10, score=0.7)
    window = world.window()
    assert window.agreement == {"ok/defect": 30, "defect/defect": 10}
    assert (window.active_digest, window.candidate_digest, window.line) == (ACTIVE, CANDIDATE, "line-1")
    assert window.candidate_higher_count == 40
    assert QuantileSketch.from_wire(window.score_difference_percent).quantile(0.9) == pytest.approx(80, rel=0.02)
    assert QuantileSketch.from_wire(window.candidate_ms).quantile(0.5) == pytest.approx(10, rel=0.02)
    assert QuantileSketch.from_wire(window.active_ms).count == 40


def test_lines_and_versions_are_never_mixed_in_one_window():
    world = World()
    world.pass_items(3, line="line-1")
    world.pass_items(4, line="line-2")
    world.pass_items(5, line="line-2", digest="b" * 64)
    world.window()
    counts = {(one.line, one.active_digest[0]): sum(one.agreement.values()) for one in world.journal.windows}
    assert counts == {("line-1", "a"): 3, ("line-2", "a"): 4, ("line-2", "b"): 5}


def test_while_the_candidate_works_items_are_shed_and_counted():
    world = World()
    world.pass_items(5, is_working=False)
    window = world.window()
    assert (window.agreement, window.shed) == ({"ok/defect": 1}, {"busy": 4})


def test_a_tight_takt_leaves_the_candidate_out():
    world = World()
    world.pass_items(5, total_ms=790.0)
    assert world.window().shed == {"takt": 5}


def test_a_slow_candidate_learns_to_stay_away():
    world = World(took_s=0.7, budget=ShadowBudget(cpu_ratio=1.0))
    world.pass_items(40, total_ms=300.0)
    assert world.window().shed["takt"] > 20


@pytest.mark.parametrize("ratio", [0.1, 0.25])
def test_the_candidate_keeps_to_its_share_of_the_processor(ratio):
    world = World(took_s=0.2, budget=ShadowBudget(cpu_ratio=ratio))
    begun_s = world.clock.monotonic_s()
    world.pass_items(200)
    share = world.candidate.used_s / (world.clock.monotonic_s() - begun_s)
    assert ratio * 0.7 < share < ratio * 1.15


def test_a_candidate_that_fails_is_counted_and_harms_nobody():
    world = World(score=None)
    world.pass_items(3)
    assert world.window().agreement == {"ok/cannot_judge": 3}


def test_without_a_candidate_nothing_is_kept():
    world = World()
    world.shadow.candidate = None
    world.pass_items(3)
    world.clock.turn(60)
    world.shadow.work()
    assert world.journal.windows == []


def test_the_active_version_is_not_compared_with_itself():
    world = World()
    world.pass_items(3, digest=CANDIDATE)
    world.clock.turn(60)
    world.shadow.work()
    assert world.journal.windows == []


def test_a_picture_that_the_camera_spoilt_is_not_compared():
    world = World()
    item = seen(1)
    for reason in (CannotJudge.OCCLUDED, None):
        world.shadow.saw(replace(item, judgement=replace(item.judgement, cannot_judge=reason)))
        world.shadow.work()
        assert (world.candidate.used_s > 0) is (reason is None)
