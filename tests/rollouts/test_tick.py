"""One rollout among machines that behave well, badly, or not at all."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import transaction

from apps.core.errors import Conflict
from apps.core.models import AuditRow
from apps.models.models import ModelVersion
from apps.models.states import VersionState
from apps.rollouts import services
from apps.rollouts.models import Desired, GateEvaluation, Rollout, RolloutEvent, Target
from apps.rollouts.policy import OnFailure
from apps.rollouts.selectors import offer_for
from apps.rollouts.states import RolloutState, StageState
from edge_agent.wire.words import UpdateState
from tests.factories.rollouts import QUICK, Machine, Scene

pytestmark = pytest.mark.django_db


def rows_of(scene: Scene) -> list:
    """All that a rollout keeps, as it stands, without when somebody looks next."""
    return [
        list(scene.rollout.targets.order_by("id").values()),
        list(scene.rollout.stages.order_by("id").values()),
        list(Desired.objects.order_by("device_id").values()),
        list(RolloutEvent.objects.order_by("id").values()),
        list(GateEvaluation.objects.order_by("id").values()),
        scene.rollout.state,
    ]


def test_a_rollout_reaches_every_device_stage_by_stage():
    scene = Scene()
    assert len(scene.offered()) == 1

    scene.pass_stage()
    assert scene.stage(1).state == StageState.PASSED
    assert len(scene.offered()) == 2

    scene.pass_stage()
    assert scene.rollout.state == RolloutState.COMPLETED
    assert all(machine.running == scene.new.digest for machine in scene.machines)
    assert scene.rollout.state_reason == "3 of 3 devices run the version."


def test_each_tick_may_run_twice():
    scene = Scene()
    for _ in range(2):
        for machine in scene.offered():
            machine.install(scene.now)
            machine.inspect(10, scene.now)
        for after_s in (1, 11):
            scene.tick(after_s)
            once = rows_of(scene)
            scene.tick()
            assert rows_of(scene) == once
    assert scene.rollout.state == RolloutState.COMPLETED


def test_a_tick_that_is_killed_leaves_nothing_half_done():
    scene = Scene()
    scene.offered()[0].install(scene.now)
    before = rows_of(scene)

    class Killed(Exception):
        pass

    with pytest.raises(Killed), transaction.atomic():
        scene.tick(1)
        assert rows_of(scene) != before
        raise Killed

    assert rows_of(scene) == before
    scene.tick()
    assert scene.stage(1).state == StageState.SOAKING


def test_due_rollouts_are_ticked_without_anybody_ringing():
    scene = Scene(running=False)
    scene.approve()

    assert services.rollouts_tick_due(now=scene.now) == 1
    assert services.rollouts_tick_due(now=scene.now) == 0
    assert scene.rollout.state == RolloutState.RUNNING
    assert services.rollouts_tick_due(now=scene.now + timedelta(seconds=3)) == 1


def test_a_draft_is_never_ticked_into_motion():
    scene = Scene(running=False)
    scene.tick(100)
    assert scene.rollout.state == RolloutState.DRAFT
    assert not Desired.objects.exists()


def test_installed_is_not_done_before_the_device_names_the_digest_it_runs():
    scene = Scene()
    machine = scene.offered()[0]
    machine.step(UpdateState.PROBATION, scene.now)
    machine.step(UpdateState.CONFIRMED, scene.now)  # but it still names the old digest
    scene.tick(1)
    assert machine.target().state == "probation"

    machine.running = scene.new.digest
    machine.check_in(scene.now)
    scene.tick(1)
    assert machine.target().state == "confirmed"


def test_a_device_that_leaves_the_version_again_keeps_the_rollout_from_completing():
    scene = Scene()
    first = scene.offered()[0]
    first.install(scene.now)
    first.inspect(10, scene.now)
    scene.tick(1)
    first.running = scene.old.digest
    first.check_in(scene.now)

    scene.tick(20)

    assert scene.stage(1).state == StageState.SOAKING
    assert GateEvaluation.objects.latest("id").rule == "nothing_confirmed"


def test_too_few_items_never_advance_and_hold_for_a_person_at_the_maximum():
    scene = Scene()
    scene.offered()[0].install(scene.now)
    scene.tick(1)

    scene.tick(1000)
    assert scene.stage(1).state == StageState.SOAKING

    scene.tick(3600)
    assert scene.rollout.state == RolloutState.PAUSED
    assert "holds for a person after 3600 s" in scene.rollout.state_reason
    assert "0 of at least 5 items" in scene.rollout.state_reason


def test_a_device_that_rolled_back_fails_the_gate_with_rule_value_limit_and_n():
    scene = Scene()
    machine = scene.offered()[0]
    machine.step(UpdateState.TRIAL, scene.now)
    machine.step(UpdateState.ROLLED_BACK, scene.now, reason="trial: golden frame 3 differs")

    scene.tick(1)

    assert scene.rollout.state == RolloutState.PAUSED
    assert scene.stage(1).state == StageState.FAILED
    assert scene.rollout.state_reason == (
        "Stage 1 failed: Update failures 100.0% above the limit of 10.0% (n = 1 devices)."
    )
    assert machine.target().reason == "trial: golden frame 3 differs"
    assert AuditRow.objects.get(verb="rollout_gate_fail").detail["rule"] == "update_failures"
    assert offer_for(machine.device.pk).version == scene.old


def test_errors_on_real_items_stop_the_rollout_in_its_first_stage():
    scene = Scene()
    machine = scene.offered()[0]
    machine.install(scene.now)
    machine.inspect(20, scene.now, errors=5)

    scene.tick(1)

    assert scene.rollout.state == RolloutState.PAUSED
    assert scene.rollout.state_reason == "Stage 1 failed: Errors 25.0% above the limit of 2.0% (n = 20 items)."
    assert {one.target().state for one in scene.machines} == {"confirmed", "pending"}


def test_a_failed_gate_can_take_the_rollout_back_by_itself():
    scene = Scene(plan=replace(QUICK, on_failure=OnFailure.RETURN))
    machine = scene.offered()[0]
    machine.install(scene.now)
    machine.inspect(20, scene.now, errors=5)
    scene.tick(1)
    assert scene.rollout.state == RolloutState.RETURNING

    machine.obey(scene.now)
    scene.tick(1)
    assert machine.running == scene.old.digest
    assert scene.rollout.state == RolloutState.RETURNED


def test_a_device_that_is_away_does_not_block_and_is_offered_it_when_it_is_back():
    scene = Scene()
    scene.pass_stage()
    away, here = scene.offered()
    here.install(scene.now)
    here.inspect(10, scene.now)

    scene.tick(61)
    assert (away.target().state, away.target().reason) == ("timed_out", "unreachable")
    scene.tick(11)
    assert scene.rollout.state == RolloutState.COMPLETED
    assert "1 were away" in scene.rollout.state_reason

    away.install(scene.now + timedelta(days=2))
    scene.tick(2 * 86_400)
    assert away.target().state == "confirmed"


def test_a_device_that_hears_the_offer_and_does_nothing_counts_as_a_failure():
    scene = Scene()
    machine = scene.offered()[0]
    machine.check_in(scene.now + timedelta(seconds=60))

    scene.tick(61)

    assert (machine.target().state, machine.target().reason) == ("timed_out", "no_progress")
    assert scene.rollout.state == RolloutState.PAUSED


def test_a_late_device_joins_the_wave_again_and_the_soak_begins_again():
    scene = Scene(machine_count=6)
    slow, quick = scene.offered()
    quick.install(scene.now)
    scene.tick(61)
    assert scene.stage(1).state == StageState.SOAKING

    slow.step(UpdateState.DOWNLOADING, scene.now)
    scene.tick(1)
    assert scene.stage(1).state == StageState.DEPLOYING
    slow.install(scene.now)
    scene.tick(1)
    assert scene.stage(1).soak_since == scene.now


def test_a_device_that_runs_the_version_already_is_done_at_once():
    scene = Scene(running=False)
    for machine in scene.machines:
        machine.running = scene.new.digest
        machine.check_in(scene.now)
    scene.approve()
    scene.tick()
    assert scene.machines[0].target().state in {"already_there", "pending"}
    assert Target.objects.filter(state="already_there").count() == 1


def test_a_report_about_another_offer_moves_nothing():
    scene = Scene()
    machine = scene.offered()[0]
    Target.objects.filter(pk=machine.target().pk).update(rollout=scene.id)
    machine.step(UpdateState.DOWNLOADING, scene.now)
    ModelVersion.objects.filter(pk=scene.new.pk).update(digest="f" * 64)

    scene.tick(1)

    assert machine.target().state == "offered"


def test_pause_takes_back_what_no_device_has_begun_and_resume_offers_it_again():
    scene = Scene(machine_count=6)
    begun, waiting = scene.offered()
    begun.step(UpdateState.DOWNLOADING, scene.now)
    scene.tick(1)

    services.rollout_pause(rollout_id=scene.id, by=scene.author, reason="shift change", now=scene.now)
    assert offer_for(waiting.device.pk) is None or offer_for(waiting.device.pk).version == scene.old
    assert offer_for(begun.device.pk).version == scene.new
    scene.tick(1)
    assert waiting.target().state == "pending"

    services.rollout_resume(rollout_id=scene.id, by=scene.author, reason="", now=scene.now)
    scene.tick(1)
    assert offer_for(waiting.device.pk).version == scene.new


def test_a_report_that_crosses_a_pause_is_believed_and_the_offer_mended():
    scene = Scene()
    machine = scene.offered()[0]
    services.rollout_pause(rollout_id=scene.id, by=scene.author, reason="", now=scene.now)
    machine.step(UpdateState.DOWNLOADING, scene.now)
    scene.tick(1)
    assert machine.target().state == "downloading"

    services.rollout_resume(rollout_id=scene.id, by=scene.author, reason="", now=scene.now)
    scene.tick(1)
    assert offer_for(machine.device.pk).version == scene.new


def test_stop_leaves_nothing_to_install_and_sends_the_unfinished_back():
    scene = Scene(machine_count=6)
    done, unfinished = scene.offered()
    done.install(scene.now)
    unfinished.step(UpdateState.TRIAL, scene.now)
    scene.tick(1)

    services.rollout_stop(rollout_id=scene.id, by=scene.author, reason="", now=scene.now)

    offers = {machine: offer_for(machine.device.pk) for machine in scene.machines}
    assert [machine for machine, offer in offers.items() if offer and offer.version == scene.new] == [done]
    assert offers[unfinished].version == scene.old
    assert {machine.target().state for machine in scene.machines} == {"confirmed", "withdrawn"}


def test_roll_back_ends_when_every_device_names_its_previous_version():
    scene = Scene()
    scene.pass_stage()
    scene.pass_stage()
    services.rollout_roll_back(rollout_id=scene.id, by=scene.approver, reason="false rejects", now=scene.now)
    *two, last = scene.machines
    for machine in two:
        machine.obey(scene.now)
    scene.tick(1)
    assert scene.rollout.state == RolloutState.RETURNING

    last.obey(scene.now)
    scene.tick(1)
    assert scene.rollout.state == RolloutState.RETURNED
    assert {machine.running for machine in scene.machines} == {scene.old.digest}


def test_roll_back_does_not_wait_for_ever_for_a_device_that_is_away():
    scene = Scene()
    scene.pass_stage()
    scene.pass_stage()
    services.rollout_roll_back(rollout_id=scene.id, by=scene.approver, reason="", now=scene.now)
    away, *here = scene.machines
    scene.now += timedelta(seconds=200)
    for machine in here:
        machine.obey(scene.now)
    scene.tick()

    assert scene.rollout.state == RolloutState.RETURNED
    assert "did not" in scene.rollout.state_reason
    assert offer_for(away.device.pk).version == scene.old  # it hears so when it is back


def test_roll_back_leaves_a_device_alone_that_a_later_rollout_decides_about():
    scene = Scene(machine_count=1)
    scene.pass_stage()
    first_id, machine = scene.id, scene.machines[0]
    scene.old, scene.new = scene.new, scene.old
    scene.id = scene.create().pk
    scene.approve()
    scene.tick()
    wanted = offer_for(machine.device.pk).version

    services.rollout_roll_back(rollout_id=first_id, by=scene.approver, reason="", now=scene.now)
    services.rollout_tick(rollout_id=first_id, now=scene.now)

    assert offer_for(machine.device.pk).version == wanted
    assert Rollout.objects.get(pk=first_id).state == RolloutState.RETURNED


def test_a_device_without_a_model_before_cannot_go_back_and_says_so():
    scene = Scene(machine_count=1, running=False)
    scene.machines[0].running = None
    scene.machines[0].check_in(scene.now)
    scene.approve()
    scene.tick()
    scene.pass_stage()

    services.rollout_roll_back(rollout_id=scene.id, by=scene.approver, reason="", now=scene.now)
    scene.tick(1)

    assert scene.rollout.state == RolloutState.RETURNED
    assert scene.machines[0].target().reason == "it ran no model before and keeps this one"


def test_a_failed_gate_is_overruled_only_by_name():
    scene = Scene()
    scene.offered()[0].step(UpdateState.FAILED, scene.now, reason="disk full")
    scene.tick(1)
    with pytest.raises(Conflict):
        services.rollout_resume(rollout_id=scene.id, by=scene.author, reason="", now=scene.now)

    services.rollout_advance_now(rollout_id=scene.id, by=scene.author, reason="one bad disk", now=scene.now)
    scene.tick(1)

    assert scene.rollout.state == RolloutState.RUNNING
    assert len(scene.offered()) == 2
    assert AuditRow.objects.get(verb="rollout_advance_now").detail["reason"] == "one bad disk"


def test_a_withdrawn_version_goes_no_further():
    scene = Scene()
    ModelVersion.objects.filter(pk=scene.new.pk).update(state=VersionState.WITHDRAWN)

    scene.tick(1)

    assert scene.rollout.state == RolloutState.PAUSED
    assert "version_withdrawn" in scene.rollout.state_reason
    assert scene.offered() == []


def test_a_decommissioned_device_is_left_out():
    scene = Scene(machine_count=1, running=False)
    scene.approve()
    type(scene.machines[0].device).objects.update(state="decommissioned")
    scene.tick()
    assert scene.machines[0].target().state == "withdrawn"
    assert not Desired.objects.exists()


def test_a_later_rollout_takes_a_late_device_of_an_ended_one():
    scene = Scene()
    scene.pass_stage()
    away, here = scene.offered()
    here.install(scene.now)
    here.inspect(10, scene.now)
    scene.tick(61)
    scene.tick(11)
    late = away.target()

    scene.machines = [away]
    scene.id = scene.create().pk
    scene.approve()
    scene.tick()

    late.refresh_from_db()
    assert late.state == "withdrawn"
    assert f"superseded by rollout {scene.id}" in late.reason


def test_a_gate_says_the_same_only_once():
    scene = Scene()
    for _ in range(5):
        scene.tick(2)
    assert GateEvaluation.objects.count() == 1


def test_a_machine_without_an_offer_keeps_what_it_has():
    assert offer_for(Machine().device.pk) is None
