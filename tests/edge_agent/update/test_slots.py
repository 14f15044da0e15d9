"""The line's model: switched at once, brought back on start, never lost for good."""

import contextlib
from pathlib import Path

import numpy as np
import pytest

from edge_agent.contract.engines import EngineUnavailable, ModelBroken, runtime_of
from edge_agent.update.manifest import open_package
from edge_agent.update.slots import Slots, load_model
from edge_agent.update.versions import Versions
from edge_agent.values import ItemObservation
from edge_agent.wire.manifest import Compatibility
from edge_agent.wire.words import CannotJudge, Verdict
from tests.kit.models import nan_model, tiny_package
from tests.kit.runtimes import runtime_under_test

GREY = np.full((20, 20, 3), 128, np.uint8)


@pytest.fixture
def versions(tmp_path):
    return Versions(tmp_path / "models")


def install(tmp_path, versions, **fields):
    package = tiny_package(tmp_path, **fields)
    with package.path.open("rb") as file:
        return versions.install(open_package(file), package.digest)


@pytest.fixture
def old(tmp_path, versions):
    return install(tmp_path, versions, score=0.1, version="old")


@pytest.fixture
def new(tmp_path, versions):
    return install(tmp_path, versions, score=0.9, version="new")


def started(tmp_path, versions, **options):
    slots = Slots(tmp_path, versions, **options)
    slots.load_on_start()
    return slots


def with_old_running(tmp_path, versions, old):
    slots = started(tmp_path, versions)
    slots.activate(old)
    slots.confirm()
    return slots


def test_a_fresh_device_has_no_model(tmp_path, versions):
    slots = started(tmp_path, versions)
    assert slots.current is None
    assert (slots.active_digest, slots.previous_digest) == (None, None)


def test_a_switch_takes_effect_with_the_next_frame(tmp_path, versions, old, new):
    slots = with_old_running(tmp_path, versions, old)
    assert slots.current.judge(GREY).verdict is Verdict.OK
    slots.activate(new)
    judgement = slots.current.judge(GREY)
    assert (judgement.verdict, judgement.label) == (Verdict.DEFECT, "defect")
    assert judgement.score_ratio == pytest.approx(0.9)
    assert (slots.active_digest, slots.previous_digest) == (new.digest, old.digest)


def test_a_threshold_from_the_cloud_overrides_the_packages(tmp_path, versions, new):
    slots = started(tmp_path, versions)
    slots.activate(new)
    assert slots.current.judge(GREY, 0.95).verdict is Verdict.OK


def test_a_frame_that_cannot_be_prepared_gets_no_verdict(tmp_path, versions, new):
    slots = started(tmp_path, versions)
    slots.activate(new)
    judgement = slots.current.judge(np.zeros((0, 5, 3), np.uint8))
    assert (judgement.verdict, judgement.cannot_judge) == (Verdict.CANNOT_JUDGE, CannotJudge.BAD_FRAME)


def test_an_engine_that_fails_gives_no_verdict(tmp_path, versions):
    model = load_model(install(tmp_path, versions, model=nan_model()))
    assert model.judge(GREY).cannot_judge is CannotJudge.ENGINE_ERROR


def test_what_ran_runs_again_after_a_restart(tmp_path, versions, old):
    with_old_running(tmp_path, versions, old)
    assert started(tmp_path, versions).active_digest == old.digest


def test_going_back_needs_no_file_of_the_old_version(tmp_path, versions, old, new):
    slots = with_old_running(tmp_path, versions, old)
    slots.activate(new)
    versions.prune(keep=())
    slots.roll_back()
    assert slots.current.judge(GREY).verdict is Verdict.OK
    assert slots.active_digest == old.digest


def test_a_version_that_cannot_be_loaded_changes_nothing(tmp_path, versions, old, new):
    slots = with_old_running(tmp_path, versions, old)
    broken = install(tmp_path, versions, model=b"no model", version="broken")
    with pytest.raises(ModelBroken):
        slots.activate(broken)
    assert slots.active_digest == old.digest
    assert started(tmp_path, versions).active_digest == old.digest


def test_a_damaged_version_gives_way_to_the_one_before_it(tmp_path, versions, old, new):
    slots = with_old_running(tmp_path, versions, old)
    slots.activate(new)
    slots.confirm()
    (tmp_path / "models" / new.digest / "model.onnx").write_bytes(b"rotten")
    assert started(tmp_path, versions).active_digest == old.digest


class AgentKilled(BaseException):
    """A native crash takes the process with it: nothing catches this."""


def test_an_unproven_version_that_kills_the_agent_is_left_out_after_three_starts(tmp_path, versions, old, new):
    def load(version):
        if version.digest == new.digest:
            raise AgentKilled
        return load_model(version)

    slots = with_old_running(tmp_path, versions, old)
    slots.activate(new)
    deaths = 0
    for _ in range(10):
        try:
            slots = started(tmp_path, versions, load=load)
            break
        except AgentKilled:
            deaths += 1
    assert deaths == 2  # the switch itself was the first of three
    assert slots.active_digest == old.digest
    assert slots.given_up_digest == new.digest


def test_a_proven_version_may_start_as_often_as_it_likes(tmp_path, versions, old):
    with_old_running(tmp_path, versions, old)
    for _ in range(10):
        assert started(tmp_path, versions).active_digest == old.digest


def test_observing_never_blocks_and_keeps_the_newest(tmp_path, versions, old):
    slots = started(tmp_path, versions)
    for n in range(20_000):
        slots.observe(ItemObservation(digest=old.digest, verdict=Verdict.OK, is_error=False, total_ms=float(n)))
    taken = slots.take_observations()
    assert len(taken) == 10_000
    assert taken[-1].total_ms == 19_999.0
    assert slots.take_observations() == []


def test_an_engine_that_compiles_for_this_machine_keeps_its_work_with_the_version(tmp_path, versions):
    runtime = runtime_of("onnxruntime-tensorrt")
    if runtime.version is not None:
        pytest.skip("this machine has TensorRT; the tests of engines run on it")
    version = install(tmp_path, versions, compatibility=Compatibility(engine=runtime.name))
    with pytest.raises(EngineUnavailable, match="TensorrtExecutionProvider"):
        load_model(version)
    assert [path.name for path in Path(version.folder).iterdir() if path.is_dir()] == ["engine-cache"]
    versions.prune(keep=[])
    assert not Path(version.folder).exists()


def test_a_disk_that_refuses_the_cache_does_not_refuse_the_model(tmp_path, versions, caplog):
    version = install(tmp_path, versions, compatibility=Compatibility(engine="onnxruntime-tensorrt"))
    (Path(version.folder) / "engine-cache").write_bytes(b"in the way")
    with contextlib.suppress(EngineUnavailable):
        load_model(version)
    assert "engine_cache_refused" in caplog.text


def test_a_version_runs_on_the_engine_that_it_names(tmp_path, versions):
    runtime = runtime_under_test("litert")
    version = install(tmp_path, versions, model=runtime.mean(), compatibility=Compatibility(engine="litert"))
    slots = started(tmp_path, versions)
    slots.activate(version)
    assert slots.current.judge(GREY).score_ratio == pytest.approx(128 / 255, abs=1e-4)
