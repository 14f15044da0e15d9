"""Which event makes which task or page hear of it sooner, and what the reconciler asks each turn. The whole table.

Nothing here is needed for correctness: `manage.py reconcile` finds the same work in the rows.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from apps.alerts.events import AlertChanged
from apps.core.doorbell import doorbell
from apps.core.live import push
from apps.datasets.events import DatasetChanged
from apps.defects.events import ReviewChanged
from apps.devices.events import CommandChanged, ConfigurationChanged, DeviceChanged, PlaceChanged
from apps.models.events import RunChanged, RunQueued, VersionChanged
from apps.rollouts.events import RolloutChanged
from apps.telemetry.events import ControlArrived, ResultsArrived, StreamQuarantined, UpdateStepArrived

Due = Callable[..., object]

PAGES: dict[type, tuple[str, ...]] = {
    AlertChanged: ("alerts", "overview"),
    CommandChanged: ("device:{event.device_id}",),
    ConfigurationChanged: ("devices", "device:{event.device_id}"),
    ControlArrived: ("overview", "devices", "device:{event.device_id}"),
    DatasetChanged: ("data",),
    DeviceChanged: ("overview", "devices", "lines", "device:{event.device_id}"),
    PlaceChanged: ("overview", "devices", "lines"),
    ResultsArrived: ("overview", "devices", "lines", "device:{event.device_id}"),
    ReviewChanged: ("review", "overview"),
    RolloutChanged: ("rollouts", "overview", "rollout:{event.rollout_id}"),
    RunChanged: ("runs", "overview", "run:{event.run_id}"),
    StreamQuarantined: ("overview", "devices", "device:{event.device_id}"),
    UpdateStepArrived: ("devices", "device:{event.device_id}"),
    VersionChanged: ("versions", "overview"),
}
"""Event -> the live topics whose open pages fetch themselves again."""

TASKS: dict[type, Callable[[Any], None]] = {
    RunQueued: lambda event: _tasks("models").training_run.delay(event.run_id),
    RolloutChanged: lambda event: _tasks("rollouts").rollout_tick.delay(event.rollout_id),
    UpdateStepArrived: lambda event: _tasks("rollouts").device_reported.delay(str(event.device_id)),
}
"""Event -> the task that does sooner what the reconciler would find."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One question of the reconciler, asked every `every_s` seconds (0: each round) and cut off when it is too slow."""

    name: str
    due: Due
    every_s: float = 0.0
    time_limit_s: float = 20.0


def turns() -> tuple[Turn, ...]:
    """What the reconciler asks, in this order."""
    from apps.alerts.services import alerts_evaluate_due
    from apps.defects.services import reviews_release_due
    from apps.devices.services import commands_expire_due
    from apps.models.services import publications_finish_due, runs_due, tuf_refresh_due
    from apps.rollouts.services import rollouts_tick_due
    from apps.telemetry.services import partitions_due

    return (
        Turn("rollouts", rollouts_tick_due),
        Turn("alerts", alerts_evaluate_due),
        Turn("commands", commands_expire_due),
        Turn("runs", runs_due),
        Turn("publications", publications_finish_due, time_limit_s=60.0),
        Turn("reviews", reviews_release_due),
        Turn("partitions", partitions_due, every_s=600.0, time_limit_s=60.0),
        Turn("tuf", tuf_refresh_due, every_s=30.0, time_limit_s=60.0),
    )


def connect() -> None:
    """Connect every listener; called once per process, when Django is ready."""
    for event_type in PAGES:
        doorbell.connect(event_type, push_pages)
    for event_type, send in TASKS.items():
        doorbell.connect(event_type, send)


def push_pages(event: object) -> None:
    for topic in PAGES[type(event)]:
        push(topic.format(event=event))


def _tasks(app: str) -> Any:
    """Imported on the first ring: processes that never ring one need not load what tasks load."""
    return import_module(f"apps.{app}.tasks")
