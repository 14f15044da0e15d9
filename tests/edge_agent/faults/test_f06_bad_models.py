"""F06: a new model that crashes, returns NaN, hangs or is slow: the old one runs, it is told, and not tried again."""

import threading

import pytest

from edge_agent.clock import SystemClock
from edge_agent.update.trial import TrialReport, run_trial
from tests.kit import spoilers
from tests.kit.artifacts import ArtifactRepository
from tests.kit.handclock import HandClock
from tests.kit.models import constant_model, hanging_model, nan_model, tiny_package
from tests.kit.updating import UpdatingDevice, run_for_good

PLANTED = {
    "nan": (nan_model, "model_broken", {}),
    "garbage": (lambda: b"no model", "model_broken", {}),
    "other_output": (lambda: constant_model(0.2), "parity_score", {}),
    "hang": (hanging_model, "trial_timeout", {}),
    "slow": (lambda: constant_model(0.9), "trial_slow", {"max_p95_ms": 1e-6}),
}


@pytest.fixture
def world(tmp_path):
    artifacts = ArtifactRepository(tmp_path / "served")
    old = tiny_package(tmp_path, score=0.1, version="old")
    run_for_good(tmp_path / "device", old)

    def device(model, *, trial):
        bad = tiny_package(tmp_path, score=0.9, model=model, version="bad")
        artifacts.add(bad.offer().target_path, bad.content)
        artifacts.publish()
        cloud = spoilers.SpoiltCloud(tmp_path / "served", None)
        made = UpdatingDevice(
            tmp_path / "device", cloud=cloud, root=artifacts.root_bytes, clock=HandClock(), trial=trial
        )
        return made, bad

    return device, old


def in_a_child(version, stop):
    return run_trial(version, clock=SystemClock(), stop=threading.Event(), timeout_s=4.0)


@pytest.mark.parametrize("name", PLANTED)
def test_a_bad_model_is_refused_with_its_reason_and_never_tried_again(world, name):
    make, old = world
    model, reason, limits = PLANTED[name]
    device, bad = make(model(), trial=in_a_child)
    device.order(bad.offer(target_id=1, **limits))
    device.settle()
    assert (device.journal.states[-1], device.journal.steps[-1].reason) == ("failed", reason)
    device.order(bad.offer(target_id=2, **limits), revision="2")
    device.settle()
    assert device.journal.steps[-1].reason == f"known_bad: {reason}"
    assert device.slots.active_digest == old.digest


def test_without_the_trial_it_would_run_and_the_probation_brings_the_old_one_back(world):
    make, old = world
    device, bad = make(nan_model(), trial=lambda version, stop: TrialReport(frame_count=1))
    device.order(bad.offer())
    while device.slots.active_digest == old.digest:
        device.updater.advance()
    assert device.slots.active_digest == bad.digest
    device.settle(errors=50)
    assert device.journal.states[-1] == "rolled_back"
    assert device.slots.active_digest == old.digest
