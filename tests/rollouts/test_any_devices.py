"""Whatever devices do, in whatever order: a stage is never overrun, nothing sticks, and nothing completes unproved."""

from datetime import timedelta

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from apps.core.errors import Conflict
from apps.rollouts import services
from apps.rollouts.models import Target
from apps.rollouts.policy import stage_sizes
from apps.rollouts.selectors import offer_for
from apps.rollouts.states import TARGET_DONE, TARGET_ENDS, TARGET_ON_DEVICE, TARGET_OPEN, RolloutState, StageState
from edge_agent.wire.words import UpdateState
from tests.factories.rollouts import QUICK, Scene

DEVICE_COUNT = 5
MACHINE = st.integers(0, DEVICE_COUNT - 1)
GENTLE = [services.rollout_pause, services.rollout_resume, services.rollout_advance_now]
FINAL = [services.rollout_stop, services.rollout_roll_back]


class AnyDevices(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.life = transaction.atomic()
        self.life.__enter__()
        self.scene = Scene(machine_count=DEVICE_COUNT)

    def teardown(self):
        try:
            self.let_everything_end()
        finally:
            transaction.set_rollback(True)
            self.life.__exit__(None, None, None)

    @rule(which=MACHINE, state=st.sampled_from(list(UpdateState)))
    def a_device_says_anything(self, which, state):
        self.scene.machines[which].step(state, self.scene.now)

    @rule(which=MACHINE)
    def a_device_follows_its_offer(self, which):
        machine = self.scene.machines[which]
        offer = offer_for(machine.device.pk)
        if offer and offer.version == self.scene.new:
            machine.install(self.scene.now)
            machine.inspect(6, self.scene.now)
        else:
            machine.obey(self.scene.now)

    @rule(which=MACHINE, errors=st.sampled_from([0, 0, 0, 6]))
    def a_device_inspects(self, which, errors):
        self.scene.machines[which].inspect(6, self.scene.now, errors=errors)

    @rule(which=MACHINE)
    def a_device_falls_back_by_itself(self, which):
        machine = self.scene.machines[which]
        machine.running = self.scene.old.digest
        machine.step(UpdateState.ROLLED_BACK, self.scene.now)

    @rule(after_s=st.sampled_from([0, 1, 12, 61, 100, 4000]), times=st.integers(1, 3))
    def time_passes_and_workers_tick(self, after_s, times):
        self.scene.now += timedelta(seconds=after_s)
        for _ in range(times):
            self.scene.tick()
        self.nobody_stands_on_one_step_for_longer_than_the_plan_allows()

    def nobody_stands_on_one_step_for_longer_than_the_plan_allows(self):
        if self.scene.rollout.state == RolloutState.RUNNING:
            too_long = self.scene.now - timedelta(seconds=QUICK.offer_timeout_s + QUICK.probation_s)
            assert not Target.objects.filter(state__in=TARGET_ON_DEVICE, changed_at__lt=too_long).exists()

    @rule(verb=st.sampled_from([*GENTLE, *GENTLE, *FINAL]))
    def a_person_steps_in(self, verb):
        try:
            verb(rollout_id=self.scene.id, by=self.scene.approver, reason="", now=self.scene.now)
        except Conflict as refused:
            assert refused.text.endswith(".")

    @invariant()
    def no_more_devices_are_offered_it_than_the_begun_stages_allow(self):
        begun = self.scene.rollout.stages.exclude(state=StageState.WAITING).count()
        allowed = stage_sizes(QUICK.shares, DEVICE_COUNT)[begun - 1] if begun else 0
        assert Target.objects.filter(offered_at__isnull=False).count() <= allowed

    @invariant()
    def it_completes_only_with_every_device_settled(self):
        # A device that was away may begin afterwards, so only those that were never away count.
        if self.scene.rollout.state == RolloutState.COMPLETED:
            assert not Target.objects.filter(state="pending", offered_at=None).exists()

    @invariant()
    def what_counts_as_done_was_proved_by_the_device(self):
        for target in Target.objects.filter(state__in=TARGET_DONE):
            assert target.return_digest is not None
            assert target.confirmed_at or target.state == "already_there"

    def let_everything_end(self):
        """No device is ever heard again: what runs comes to rest or waits for a person, and no device sticks."""
        for after_s in (61, 200, 4000, 4000):
            self.scene.tick(after_s)
        state = self.scene.rollout.state
        assert state not in {RolloutState.RUNNING, RolloutState.RETURNING}
        if state in {RolloutState.STOPPED, RolloutState.RETURNED}:
            assert not Target.objects.filter(state__in=TARGET_OPEN).exists()
        assert Target.objects.filter(state__in=[*TARGET_ENDS, *TARGET_OPEN]).count() == DEVICE_COUNT


@pytest.mark.django_db
def test_any_devices_and_any_people_leave_every_promise_standing():
    run_state_machine_as_test(
        AnyDevices,
        settings=settings(
            max_examples=25,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
