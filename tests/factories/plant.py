"""A small plant as pages see it: two sites, lines in every state, a rollout that moves, and work for people."""

import random
from datetime import datetime, timedelta

from apps.accounts.models import User
from apps.accounts.rights import Role
from apps.accounts.services import user_create
from apps.alerts.models import Alert, Rule
from apps.alerts.states import RuleKind, Severity
from apps.devices.models import Device, Line, Site
from apps.rollouts.models import Desired, Rollout, Stage, Target
from apps.rollouts.states import RolloutState, StageState, TargetState
from apps.telemetry.models import DeviceFacts, Window
from apps.telemetry.services import batches_store
from edge_agent.wire.records import Alarm, ConfigurationReported, UpdateStep
from edge_agent.wire.words import AlarmCode, StreamKind, UpdateState
from tests.factories.defects import FlagFactory
from tests.factories.devices import DeviceFactory
from tests.factories.rollouts import PublishedVersionFactory
from tests.factories.telemetry import Journal, StreamFactory, result, sketch_of

PASSWORD = "a password for tests only"
CLASSES = ("Crack", "Finger break", "Inactive area", "Soldering")
HEALTH = {
    "cpu_ratio": 0.41, "memory_ratio": 0.56, "agent_memory_bytes": 143_000_000, "disk_free_bytes": 18_400_000_000,
    "disk_used_ratio": 0.37, "temperature_c": 51.0, "uptime_s": 93_000, "restart_count": 1, "images_waiting": 2,
}  # fmt: skip


def people() -> dict[Role, User]:
    """One person per role, at all sites, named after it."""
    return {role: user_create(username=role, password=PASSWORD, memberships=[(role, None)]) for role in Role}


class Plant:
    """`device_count` devices, one a line; with `hours` of windows behind them."""

    def __init__(self, now: datetime, *, device_count: int = 6, hours: int = 2) -> None:
        self.now, self.hours = now, hours
        self.random = random.Random(7)
        self.old, self.new = PublishedVersionFactory(number=12), PublishedVersionFactory(number=13)
        self.sites = [Site.objects.create(name=name, time_zone="Europe/Berlin") for name in ("Alpha", "Beta")]
        self.devices = [self._device(number) for number in range(device_count)]

    def _device(self, number: int) -> Device:
        name = f"{'ABCDEFGH'[number // 2 % 8]}{number % 2 + 1 + number // 16 * 2}"
        line = Line.objects.create(site=self.sites[number // 2 % 2], name=f"Line {name}", product="Cell")
        device = DeviceFactory(line=line, name=f"cam-{name}", hardware={"machine": "x86_64", "engines": ["onnx"]})
        silent_s = 840 if number == 3 else 2
        stood_s = 400 if number == 2 else silent_s
        digest = None if number == 4 else (self.new if number == 0 else self.old).digest
        facts = {"clock_offset_ms": 12, "agent_version": "0.1.0", "health": HEALTH}
        DeviceFacts.objects.create(
            device=device,
            last_seen_at=self.now - timedelta(seconds=silent_s),
            last_item_at=self.now - timedelta(seconds=stood_s),
            health_at=self.now - timedelta(seconds=11),
            active_digest=digest,
            update_state="probation" if number == 0 else "",
            backlog_count=1204 if number == 3 else 0,
            **facts,
        )
        self._windows(device, digest, until=self.now - timedelta(seconds=stood_s))
        return device

    def _windows(self, device: Device, digest: str | None, until: datetime) -> None:
        stream = StreamFactory(device=device)
        minutes = [*range(1, 121 if self.hours > 2 else 4), *range(121, self.hours * 60, 60)]
        Window.objects.bulk_create(
            self._window(stream, device, digest, seq, until - timedelta(minutes=ago))
            for seq, ago in enumerate(minutes, start=1)
        )

    def _window(self, stream, device: Device, digest: str | None, seq: int, start: datetime) -> Window:
        defect = self.random.choice((0, 1, 1, 2, 2, 3))
        shown = {"cannot_judge": 75} if digest is None else {"ok": 74 - defect, "defect": defect, "cannot_judge": 1}
        speed = self.random.uniform(0.9, 1.15)
        return Window(
            stream=stream, seq=seq, device=device, arrived_at=start + timedelta(minutes=1), start=start,
            duration_s=60, line=device.line.name, model_digest=digest, verdict_counts=shown,
            label_counts={self.random.choice(CLASSES): defect} if defect and digest else {},
            low_confidence_count=1, late_count=0, error_count=0, backlog_count=0, score_sketch=sketch_of(12),
            infer_sketch=sketch_of(*(speed * one for one in (9, 9.6, 10.4, 13))),
            total_sketch=sketch_of(*(speed * one for one in (21, 24, 31, 44))),
        )  # fmt: skip

    def work_for_people(self, author: User) -> None:
        """A rollout in motion, one that waits for approval, an alert, and images to review."""
        rule, _ = Rule.objects.get_or_create(
            kind=RuleKind.DEVICE_SILENT, defaults={"limit": 90, "severity": Severity.ACT_NOW}
        )
        opened = self.now - timedelta(seconds=750)
        Alert.objects.create(rule=rule, device=self.devices[3], opened_at=opened, value=840, limit=90)
        for number in range(3):
            self._reports(self.devices[number])
        for number in range(5):
            FlagFactory(device=self.devices[number % 3], score_ratio=0.44 + number / 50, at=self.now)
        self._rollout("Cells, INT8", RolloutState.RUNNING, author)
        self._rollout("Cells, retrained", RolloutState.AWAITING_APPROVAL, author)

    def _reports(self, device: Device) -> None:
        """The device's last items, one flagged, and what else happened to it."""
        at_ms = int(self.now.timestamp() * 1000)
        scores = [self.random.uniform(0.01, 0.9) for _ in range(12)]
        journal = Journal().write(
            result(100, at_ms=at_ms, verdict="cannot_judge", cannot_judge="glare", score_ratio=None, line="L"),
            *(
                result(101 + number, at_ms=at_ms + 800 * number, score_ratio=score, line="L",
                       verdict="defect" if score > 0.5 else "ok", label="Crack" if score > 0.5 else "")
                for number, score in enumerate(scores)
            ),
        )  # fmt: skip
        step = {
            "at_ms": at_ms, "target_id": 0, "version_digest": self.new.digest, "running_digest": self.old.digest,
        }  # fmt: skip
        steps = (UpdateState.DOWNLOADING, UpdateState.PROBATION) if device == self.devices[0] else ()
        control = Journal(StreamKind.CONTROL).write(
            ConfigurationReported(at_ms=at_ms, revision=0, is_applied=True),
            Alarm(at_ms=at_ms, code=AlarmCode.CAMERA_FAULT, text="no frame for 3.2 s"),
            *(UpdateStep(**step, state=state) for state in steps),
        )
        batches_store(received=[journal.received(device), control.received(device)], now=self.now)

    def _rollout(self, name: str, state: RolloutState, author: User) -> Rollout:
        rollout = Rollout.objects.create(
            version=self.new, name=name, state=state, plan={"shares": [0.2, 1.0]}, created_by=author,
            submitted_at=self.now, state_since=self.now, content_hash="c" * 64, created_at=self.now,
        )  # fmt: skip
        since = self.now - timedelta(minutes=5)
        stages = [
            Stage.objects.create(
                rollout=rollout, number=1, share_ratio=0.2, state=StageState.SOAKING, started_at=since
            ),
            Stage.objects.create(rollout=rollout, number=2, share_ratio=1.0),
        ]
        for number, device in enumerate(self.devices):
            state = TargetState.PROBATION if number == 0 else TargetState.PENDING
            target = Target.objects.create(rollout=rollout, stage=stages[number > 0], device=device, state=state)
            version = self.new if number == 0 else self.old
            Desired.objects.get_or_create(
                device=device, defaults={"version": version, "target": target, "changed_at": self.now}
            )
        return rollout
