"""A small fleet whose devices speak through telemetry's own services, as the gateway would let them."""

from datetime import UTC, datetime, timedelta

import factory
from factory.django import DjangoModelFactory

from apps.accounts.models import Membership, User
from apps.accounts.rights import Role
from apps.models.models import InspectionModel, ModelVersion
from apps.models.states import VersionState
from apps.rollouts import services
from apps.rollouts.models import Rollout, Target
from apps.rollouts.policy import Plan
from apps.rollouts.selectors import offer_for
from apps.telemetry.services import batches_store, checkin_store
from edge_agent.wire.messages import CheckinRequest
from edge_agent.wire.records import UpdateStep
from edge_agent.wire.words import CannotJudge, StreamKind, UpdateState, Verdict
from tests.factories.devices import DeviceFactory
from tests.factories.telemetry import Journal, result

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
QUICK = Plan(
    shares=(0.3, 1.0), soak_s=10, offer_timeout_s=60, max_wait_s=3600, min_items=5, probation_items=5, probation_s=30
)


class PersonFactory(DjangoModelFactory):
    class Meta:
        model = User
        skip_postgeneration_save = True

    username = factory.Sequence(lambda n: f"person{n}")
    password = "!"

    @factory.post_generation
    def role(self, create, extracted, **kwargs):
        if extracted:
            Membership.objects.create(user=self, role=extracted, site_id=kwargs.get("site_id"))


class PublishedVersionFactory(DjangoModelFactory):
    class Meta:
        model = ModelVersion

    model = factory.LazyFunction(lambda: InspectionModel.objects.get_or_create(name="cells")[0])
    number = factory.Sequence(lambda n: n + 1)
    state = VersionState.PUBLISHED
    digest = factory.Sequence(lambda n: f"{n + 1:064x}")
    size_bytes = 1000
    manifest = factory.LazyFunction(
        lambda: {"labels": ["good", "crack", "dark"], "decision": {"good_label": "good", "defect_label": "crack"}}
    )


class Machine:
    """One device on the floor: follows its offers when told to, and reports what it does."""

    def __init__(self, running: str | None = None, **place) -> None:
        self.device = DeviceFactory(**place)
        self.running = running
        self.refuses = False
        self._control, self._inspection = Journal(StreamKind.CONTROL), Journal()

    def check_in(self, now: datetime) -> None:
        request = CheckinRequest(at_ms=0, agent_version="1", active_digest=self.running)
        checkin_store(device_id=str(self.device.pk), request=request, now=now)

    def step(self, state: UpdateState, now: datetime, reason: str = "") -> None:
        """Report one step of the update that is offered now, or of the last one when none is."""
        target = Target.objects.filter(device=self.device).latest("id")
        digest = target.rollout.version.digest
        self._say(
            self._control,
            UpdateStep(
                at_ms=0,
                target_id=target.pk,
                version_digest=digest,
                state=state,
                running_digest=self.running,
                reason=reason,
            ),
            now=now,
        )

    def install(self, now: datetime) -> None:
        """Go all the way: whatever is offered runs afterwards, and says so."""
        offer = offer_for(self.device.pk)
        assert offer is not None, "nothing is offered"
        self.step(UpdateState.DOWNLOADING, now)
        self.step(UpdateState.TRIAL, now)
        self.running = offer.version.digest
        self.step(UpdateState.PROBATION, now)
        self.step(UpdateState.CONFIRMED, now)

    def obey(self, now: datetime) -> None:
        """Run what is offered, without a word: what a device does that is asked to go back."""
        offer = offer_for(self.device.pk)
        if offer is not None:
            self.running = offer.version.digest
        self.check_in(now)

    def inspect(self, count: int, now: datetime, errors: int = 0) -> None:
        bad = {"verdict": Verdict.CANNOT_JUDGE, "score_ratio": None, "cannot_judge": CannotJudge.ENGINE_ERROR}
        for number in range(count):
            self._inspection.write(result(number, model_digest=self.running, **(bad if number < errors else {})))
        self._send(self._inspection, count, now)

    def target(self) -> Target:
        return Target.objects.filter(device=self.device).latest("id")

    def _say(self, journal: Journal, *records, now: datetime) -> None:
        journal.write(*records)
        self._send(journal, len(records), now)

    def _send(self, journal: Journal, count: int, now: datetime) -> None:
        self.check_in(now)
        last = len(journal.bodies)
        outcomes = batches_store(received=[journal.received(self.device, last - count + 1, last)], now=now)
        assert outcomes[0].reception == "stored"


class Scene:
    """Machines, two people and one rollout, with a clock that only moves when told."""

    def __init__(self, machine_count: int = 3, plan: Plan = QUICK, *, running: bool = True) -> None:
        self.now = NOON
        self.old, self.new = PublishedVersionFactory(), PublishedVersionFactory()
        self.machines = [Machine(self.old.digest) for _ in range(machine_count)]
        for machine in self.machines:
            machine.check_in(self.now)
        self.author, self.approver = PersonFactory(role=Role.ADMIN), PersonFactory(role=Role.ADMIN)
        self.plan = plan
        self.id = self.create().pk
        if running:
            self.approve()
            self.tick()

    def create(self) -> Rollout:
        device_ids = [machine.device.pk for machine in self.machines]
        return services.rollout_create(
            version_id=self.new.pk,
            name="To the new one",
            device_ids=device_ids,
            plan=self.plan,
            by=self.author,
            now=self.now,
        )

    def approve(self) -> None:
        services.rollout_submit(rollout_id=self.id, by=self.author, now=self.now)
        services.rollout_approve(
            rollout_id=self.id, by=self.approver, content_hash=self.rollout.content_hash, comment="", now=self.now
        )

    def tick(self, after_s: float = 0) -> None:
        self.now += timedelta(seconds=after_s)
        services.rollout_tick(rollout_id=self.id, now=self.now)

    @property
    def rollout(self) -> Rollout:
        return Rollout.objects.select_related("version").get(pk=self.id)

    def stage(self, number: int):
        return self.rollout.stages.get(number=number)

    def offered(self) -> list[Machine]:
        return [machine for machine in self.machines if machine.target().state == "offered"]

    def pass_stage(self) -> None:
        """All offered machines install and inspect well, and the soak ends."""
        for machine in self.offered():
            machine.install(self.now)
            machine.inspect(10, self.now)
        self.tick(1)
        self.tick(11)
