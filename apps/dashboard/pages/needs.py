"""What needs a person, most urgent first. Only what the person who looks may act on."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from apps.accounts.rights import Permission
from apps.accounts.selectors import may, scope
from apps.alerts.models import Alert
from apps.alerts.states import AlertState, Severity
from apps.dashboard.addresses import address
from apps.dashboard.counters import waiting_counts
from apps.dashboard.pages.people import Asker
from apps.devices.models import Device
from apps.devices.states import Admission
from apps.models.models import ModelVersion, Run
from apps.models.states import RunState, VersionState
from apps.rollouts.models import Rollout
from apps.rollouts.states import RolloutState

SHOWN_MAX = 8
FAILED_RUNS_S = 86_400.0
URGENCY = ("now", "ask", "soon")


@dataclass(frozen=True, slots=True)
class Need:
    tone: str
    icon: str
    title: str
    text: str
    url: str
    action: str = "Open"


def needs(asker: Asker, now: datetime) -> list[Need]:
    """At most SHOWN_MAX, in a constant number of queries."""
    sources: tuple[Callable[[Asker, datetime], Iterable[Need]], ...] = (
        _alerts,
        _rollouts,
        _versions,
        _quarantined,
        _reviews,
        _failed_runs,
    )
    found = [need for source in sources for need in source(asker, now)]
    return sorted(found, key=lambda need: URGENCY.index(need.tone))[:SHOWN_MAX]


def _alerts(asker: Asker, now: datetime) -> Iterable[Need]:
    if not may(asker, Permission.HANDLE_ALERT):
        return
    rows = Alert.objects.filter(state=AlertState.OPEN).select_related("rule", "device__line")
    rows = scope(asker, Permission.HANDLE_ALERT).narrow(rows, "device__line__site_id").order_by("opened_at")
    for alert in rows[:SHOWN_MAX]:
        is_urgent = alert.rule.severity == Severity.ACT_NOW
        minutes = int((now - alert.opened_at).total_seconds() // 60)
        yield Need(
            tone="now" if is_urgent else "soon",
            icon="octagon-alert" if is_urgent else "triangle-alert",
            title=f"{alert.device.line.name}: {alert.rule.get_kind_display().lower()}",
            text=f"{alert.device.name} · for {minutes} min",
            url=address("alerts:detail", alert.pk) or address("alerts:list"),
        )


def _rollouts(asker: Asker, now: datetime) -> Iterable[Need]:  # noqa: ARG001
    if may(asker, Permission.APPROVE_ROLLOUT):
        waiting = Rollout.objects.filter(state=RolloutState.AWAITING_APPROVAL).exclude(created_by=asker)
        for rollout in waiting.select_related("version__model", "created_by").order_by("submitted_at")[:SHOWN_MAX]:
            what = f"{rollout.version.model.name} {rollout.version.number}"
            text = f"Brings {what} · asked by {rollout.created_by.username}"
            yield Need("ask", "user", f"Approve rollout {rollout.name}", text, _rollout_url(rollout), "Review")
    if may(asker, Permission.OPERATE_ROLLOUT):
        for rollout in Rollout.objects.filter(state=RolloutState.PAUSED).order_by("id")[:SHOWN_MAX]:
            text = rollout.state_reason or "It holds for a person."
            yield Need("ask", "circle-pause", f"Rollout {rollout.name} is paused", text, _rollout_url(rollout))


def _rollout_url(rollout: Rollout) -> str:
    return address("rollouts:detail", rollout.pk) or address("rollouts:list")


def _versions(asker: Asker, now: datetime) -> Iterable[Need]:  # noqa: ARG001
    if not may(asker, Permission.APPROVE_VERSION):
        return
    waiting = ModelVersion.objects.filter(state=VersionState.VALIDATED).exclude(created_by=asker)
    for version in waiting.select_related("model").order_by("id")[:SHOWN_MAX]:
        url = address("models:version", version.pk) or address("models:list")
        title = f"Approve {version.model.name} {version.number}"
        yield Need("ask", "clipboard-check", title, "Checked and waiting to be signed", url, "Review")


def _quarantined(asker: Asker, now: datetime) -> Iterable[Need]:  # noqa: ARG001
    if not may(asker, Permission.ENROL_DEVICE):
        return
    rows = Device.objects.filter(state=Admission.QUARANTINED).order_by("name")
    for device in scope(asker, Permission.ENROL_DEVICE).narrow(rows, "line__site_id")[:SHOWN_MAX]:
        url = address("dashboard:device", device.pk)
        yield Need("now", "shield-alert", f"{device.name} is quarantined", device.state_reason, url)


def _reviews(asker: Asker, now: datetime) -> Iterable[Need]:  # noqa: ARG001
    waiting = waiting_counts(asker).get("review", 0)
    if waiting:
        images = "1 image waits" if waiting == 1 else f"{waiting:,} images wait"
        yield Need("ask", "eye", "Review", f"{images} for a verdict", address("defects:review"), "Review")


def _failed_runs(asker: Asker, now: datetime) -> Iterable[Need]:
    if not may(asker, Permission.TRAIN):
        return
    since = now - timedelta(seconds=FAILED_RUNS_S)
    failed = Run.objects.filter(state=RunState.FAILED, ended_at__gte=since).select_related("model")
    for run in failed.order_by("-ended_at")[:SHOWN_MAX]:
        url = address("models:run", run.pk) or address("models:list")
        title = f"{run.get_kind_display()} of {run.model.name} failed"
        yield Need("soon", "circle-x", title, run.error.partition("\n")[0][:120], url)
