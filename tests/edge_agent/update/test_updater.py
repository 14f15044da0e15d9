"""From one version to the next: every way it can end, and what each leaves running."""

import hashlib

import msgspec
import pytest

from edge_agent.update.trial import TrialReport
from edge_agent.wire.words import AlarmCode
from tests.kit.handclock import HandClock
from tests.kit.models import hanging_model, nan_model, tiny_package
from tests.kit.updating import ListJournal, UpdatingDevice, run_for_good

WHOLE_WAY = ["offered", "downloading", "staged", "trial", "probation", "confirmed"]


@pytest.fixture
def old(tmp_path):
    return tiny_package(tmp_path, score=0.1, version="old")


@pytest.fixture
def new(tmp_path, artifacts):
    return published(tmp_path, artifacts, score=0.9, version="new")


def published(tmp_path, artifacts, **fields):
    package = tiny_package(tmp_path, **fields)
    artifacts.add(package.offer().target_path, package.content)
    artifacts.publish()
    return package


@pytest.fixture
def device(tmp_path, artifacts, cloud, old):
    """A device on which `old` runs."""
    run_for_good(tmp_path / "device", old)
    return UpdatingDevice(tmp_path / "device", cloud=cloud, root=artifacts.root_bytes, clock=HandClock())


def passing(version, stop):
    return TrialReport(frame_count=1)


def test_a_good_version_goes_the_whole_way_and_reports_each_step(device, old, new):
    device.order(new.offer(target_id=7))
    device.settle()
    assert device.journal.states == WHOLE_WAY
    assert {step.target_id for step in device.journal.steps} == {7}
    running = [step.running_digest for step in device.journal.steps]
    assert running == [old.digest] * 4 + [new.digest] * 2
    assert device.journal.steps[4].evidence["frame_count"] == 4
    assert device.journal.steps[5].evidence["item_count"] >= 50
    assert (device.slots.active_digest, device.slots.previous_digest) == (new.digest, old.digest)
    assert device.journal.alarms == []


def test_a_confirmed_version_is_there_after_a_restart_and_nothing_is_done_again(device, new):
    device.order(new.offer())
    again = device.settle().restarted().settle()
    assert again.slots.active_digest == new.digest
    assert again.journal.states == WHOLE_WAY


def test_the_first_model_of_a_fresh_device_is_installed(tmp_path, artifacts, cloud, new):
    fresh = UpdatingDevice(tmp_path / "fresh", cloud=cloud, root=artifacts.root_bytes, clock=HandClock())
    fresh.order(new.offer())
    fresh.settle()
    assert fresh.journal.states == WHOLE_WAY
    assert fresh.journal.steps[0].running_digest is None


def test_only_the_active_and_the_previous_version_stay_on_disk(tmp_path, artifacts, device, old, new):
    third = published(tmp_path, artifacts, score=0.8, version="third")
    for target_id, package in enumerate((new, third), start=1):
        device.order(package.offer(target_id=target_id))
        device.settle()
    assert {path.name for path in (tmp_path / "device" / "models").iterdir()} == {new.digest, third.digest}
    assert list((tmp_path / "device" / "downloads").iterdir()) == []


def test_the_version_that_runs_already_is_not_installed_again(device, old, server):
    device.order(old.offer(target_id=3))
    device.settle()
    assert device.journal.states == ["already_there"]
    assert server.requests == []


def test_errors_on_real_items_bring_the_old_version_back(device, old, new):
    device.order(new.offer())
    device.settle(errors=5)
    assert device.journal.states == [*WHOLE_WAY[:-1], "rolled_back"]
    last = device.journal.steps[-1]
    assert (last.reason, last.running_digest) == ("probation_errors", old.digest)
    assert last.evidence["error_count"] >= 2
    assert device.journal.alarms[0].code is AlarmCode.UPDATE_REFUSED
    assert device.restarted().slots.active_digest == old.digest


def test_slowness_on_real_items_brings_the_old_version_back_without_a_network(device, old, new, server):
    device.order(new.offer())
    while device.slots.active_digest == old.digest:
        device.updater.advance()
    server.stop()
    device.settle(total_ms=900.0)
    assert device.journal.steps[-1].reason == "probation_slow"
    assert device.slots.active_digest == old.digest


def test_a_line_that_stands_still_proves_nothing(device, new):
    device.order(new.offer())
    while device.slots.active_digest != new.digest:
        device.updater.advance()
    device.clock.turn(100_000)
    assert not device.updater.advance()
    assert device.journal.states[-1] == "probation"


def test_a_version_that_failed_is_not_tried_again(device, old, new, server):
    device.order(new.offer(target_id=1))
    device.settle(errors=50)
    requests_before = len(server.requests)
    device.order(new.offer(target_id=2), revision="2")
    device.restarted().settle()
    assert (device.journal.states[-1], device.journal.steps[-1].reason) == ("failed", "known_bad: probation_errors")
    assert len(server.requests) == requests_before


@pytest.mark.parametrize("model", [nan_model(), b"no model at all"])
def test_a_bad_model_fails_its_trial_and_never_runs(tmp_path, artifacts, device, old, model):
    bad = published(tmp_path, artifacts, model=model, version="bad")
    device.order(bad.offer())
    device.settle()
    assert device.journal.states == [*WHOLE_WAY[:4], "failed"]
    assert device.journal.steps[-1].reason == "model_broken"
    assert device.slots.active_digest == old.digest


def test_a_model_that_is_too_slow_in_the_trial_never_runs(device, new):
    device.order(new.offer(max_p95_ms=0.000001))
    device.settle()
    assert (device.journal.states[-1], device.journal.steps[-1].reason) == ("failed", "trial_slow")


def test_a_model_that_passed_its_trial_but_cannot_be_loaded_never_runs(tmp_path, artifacts, cloud, device, old):
    liar = published(tmp_path, artifacts, model=b"no model", version="liar")
    lucky = UpdatingDevice(
        tmp_path / "device", cloud=cloud, root=artifacts.root_bytes, clock=HandClock(), trial=passing
    )
    lucky.order(liar.offer())
    lucky.settle()
    assert lucky.journal.states == [*WHOLE_WAY[:4], "failed"]
    assert lucky.journal.steps[-1].reason.startswith("load_failed")
    assert lucky.slots.active_digest == old.digest


def test_a_package_for_another_engine_is_incompatible(tmp_path, artifacts, device, old):
    fields = {"compatibility": {"engine": "tensorrt"}}
    foreign = published(tmp_path, artifacts, version="foreign", **fields)
    device.order(foreign.offer())
    device.settle()
    assert device.journal.states == ["offered", "downloading", "incompatible"]
    assert device.journal.steps[-1].reason.startswith("engine_missing")


def test_a_signed_file_that_is_no_package_is_refused_for_good(tmp_path, artifacts, device, new):
    new.path.write_bytes(b"signed, but no package")
    offer = msgspec.structs.replace(new.offer(), target_path="models/odd.zip", digest=sha256(new.content))
    artifacts.add("models/odd.zip", new.content)
    artifacts.publish()
    device.order(offer)
    device.settle()
    assert device.journal.states == ["offered", "downloading", "failed"]
    assert device.journal.steps[-1].reason.startswith("package_not_zip")


def test_tampered_metadata_is_refused_with_its_reason_after_three_tries_and_the_old_version_runs_on(
    artifacts, device, old, new
):
    (artifacts.metadata / "timestamp.json").write_bytes(b"{}")
    device.order(new.offer())
    device.settle()
    assert device.journal.states == ["offered", "downloading", "failed"]
    assert device.journal.steps[-1].reason.startswith("metadata_invalid")
    assert device.journal.alarms[0].code is AlarmCode.UPDATE_REFUSED
    assert device.slots.active_digest == old.digest


def test_a_repository_that_was_wrong_for_a_moment_is_tried_again(artifacts, device, new):
    good = (artifacts.metadata / "timestamp.json").read_bytes()
    (artifacts.metadata / "timestamp.json").write_bytes(b"{}")
    device.order(new.offer())
    for _ in range(4):
        device.updater.advance()
    (artifacts.metadata / "timestamp.json").write_bytes(good)
    device.clock.turn(60)
    device.settle()
    assert device.journal.states == WHOLE_WAY


def test_refused_metadata_does_not_make_the_version_bad(artifacts, device, new):
    good = (artifacts.metadata / "timestamp.json").read_bytes()
    (artifacts.metadata / "timestamp.json").write_bytes(b"{}")
    device.order(new.offer(target_id=1))
    device.settle()
    (artifacts.metadata / "timestamp.json").write_bytes(good)
    device.order(new.offer(target_id=2), revision="2")
    device.settle()
    assert device.journal.states[-1] == "confirmed"


def test_an_outage_is_waited_out_however_long(artifacts, device, new):
    timestamp = artifacts.metadata / "timestamp.json"
    away = timestamp.rename(timestamp.with_suffix(".away"))
    device.order(new.offer())
    for _ in range(200):
        device.updater.advance()
        device.clock.turn(10)
    assert device.journal.states == ["offered", "downloading"]
    away.rename(timestamp)
    device.settle()
    assert device.journal.states == WHOLE_WAY


@pytest.mark.parametrize("steps", range(1, 5))
def test_an_offer_withdrawn_before_the_switch_stops_there(device, old, new, steps):
    device.order(new.offer())
    for _ in range(steps):
        device.updater.advance()
    device.order(None, revision="2")
    device.settle()
    assert device.journal.states[-1] == "withdrawn"
    assert device.slots.active_digest == old.digest


def test_a_probation_is_finished_when_the_offer_goes_but_no_other_comes(device, new):
    device.order(new.offer())
    while device.slots.active_digest != new.digest:
        device.updater.advance()
    device.order(None, revision="2")
    device.settle()
    assert device.journal.states[-1] == "confirmed"


def test_an_order_to_return_ends_a_probation_at_once(device, old, new):
    device.order(new.offer(target_id=1))
    while device.slots.active_digest != new.digest:
        device.updater.advance()
    device.order(old.offer(target_id=2), revision="2")
    device.settle()
    assert device.journal.states[-2:] == ["withdrawn", "already_there"]
    assert device.slots.active_digest == old.digest


def test_a_withdrawn_offer_that_comes_back_is_taken_again(device, new):
    device.order(new.offer())
    device.updater.advance()
    device.order(None, revision="2")
    device.settle()
    device.order(new.offer(), revision="3")
    device.settle()
    assert device.journal.states[-1] == "confirmed"


def test_the_same_version_under_another_rollout_goes_on_and_reports_to_that(device, new):
    device.order(new.offer(target_id=1))
    for _ in range(3):
        device.updater.advance()
    device.order(new.offer(target_id=2), revision="2")
    device.settle()
    assert device.journal.states[-1] == "confirmed"
    assert device.journal.steps[-1].target_id == 2
    assert device.journal.states.count("downloading") == 1


def test_going_back_to_the_previous_version_downloads_nothing(tmp_path, artifacts, device, old, new, server):
    artifacts.add(old.offer().target_path, old.content)
    artifacts.publish()
    device.order(new.offer(target_id=1))
    device.settle()
    device.order(old.offer(target_id=2), revision="2")
    device.settle()
    assert device.slots.active_digest == old.digest
    assert not any(path.endswith("old.zip") for path in server.requests)


def test_a_confirmed_version_that_rots_on_disk_is_fetched_again(tmp_path, device, new):
    device.order(new.offer())
    device.settle()
    (tmp_path / "device" / "models" / new.digest / "model.onnx").write_bytes(b"rotten")
    again = device.restarted()
    assert again.slots.active_digest != new.digest
    again.settle()
    assert again.slots.active_digest == new.digest


def test_a_trial_that_ends_the_agent_each_time_is_given_up(tmp_path, artifacts, cloud, device, old, new):
    class Ended(BaseException):
        pass

    def ending(version, stop):
        raise Ended

    fragile = UpdatingDevice(
        tmp_path / "device", cloud=cloud, root=artifacts.root_bytes, clock=HandClock(), trial=ending
    )
    fragile.order(new.offer())
    for _ in range(10):
        try:
            fragile.settle()
            break
        except Ended:
            fragile = fragile.restarted()
    assert (fragile.journal.states[-1], fragile.journal.steps[-1].reason) == ("failed", "too_many_starts")
    assert fragile.slots.active_digest == old.digest


def test_a_hanging_model_is_not_even_loaded_by_the_agent(tmp_path, artifacts, cloud, device, old):
    hanging = published(tmp_path, artifacts, model=hanging_model(), version="hanging")

    def timed_out(version, stop):
        return TrialReport(reason="trial_timeout")

    careful = UpdatingDevice(
        tmp_path / "device", cloud=cloud, root=artifacts.root_bytes, clock=HandClock(), trial=timed_out
    )
    careful.order(hanging.offer())
    careful.settle()
    assert careful.journal.steps[-1].reason == "trial_timeout"
    assert careful.slots.active_digest == old.digest


def test_a_version_whose_engine_did_not_start_is_incompatible_and_may_come_again(
    tmp_path, artifacts, cloud, device, old
):
    new = published(tmp_path, artifacts, version="new", score=0.9)
    without_gpu = UpdatingDevice(
        tmp_path / "device",
        cloud=cloud,
        root=artifacts.root_bytes,
        clock=HandClock(),
        trial=lambda version, stop: TrialReport(reason="engine_missing"),
    )
    without_gpu.order(new.offer())
    without_gpu.settle()
    assert (without_gpu.journal.states[-1], without_gpu.slots.active_digest) == ("incompatible", old.digest)
    without_gpu.order(new.offer(target_id=2), revision="2")
    without_gpu.settle()
    assert without_gpu.journal.steps[-1].reason == "engine_missing"


class JournalThatFailsOnce(ListJournal):
    """The disk was full for the first record of one state."""

    def __init__(self, state):
        super().__init__()
        self._failing = state

    def append(self, record):
        if getattr(record, "state", None) == self._failing:
            self._failing = None
            raise OSError("disk full")
        return super().append(record)


@pytest.mark.parametrize("state", WHOLE_WAY)
def test_a_step_that_missed_the_journal_is_written_after_the_restart(tmp_path, artifacts, cloud, device, new, state):
    unlucky = UpdatingDevice(
        tmp_path / "device",
        cloud=cloud,
        root=artifacts.root_bytes,
        clock=HandClock(),
        journal=JournalThatFailsOnce(state),
    )
    unlucky.order(new.offer())
    with pytest.raises(OSError, match="disk full"):
        unlucky.settle()
    assert unlucky.restarted().settle().journal.states == WHOLE_WAY


def sha256(content):
    return hashlib.sha256(content).hexdigest()
