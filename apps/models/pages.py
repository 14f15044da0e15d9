"""What the pages of one version and of one run show."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from django.utils import timezone

from apps.accounts.models import User
from apps.accounts.rights import Permission
from apps.accounts.selectors import may
from apps.models import selectors
from apps.models.models import ModelVersion, Run
from apps.models.outside.signer import SigningError
from apps.models.selectors import Figure
from apps.models.services import repository
from apps.models.states import RunState, VersionState
from apps.models.training.catalogue import CATALOGUE
from edge_agent.wire.manifest import Manifest

MOVING_MEAN_COUNT = 9
WAITING_FOR_APPROVAL = (VersionState.VALIDATED, VersionState.APPROVED, VersionState.SIGNED)


@dataclass(frozen=True, slots=True)
class VersionPage:
    version: ModelVersion
    manifest: Manifest
    figures: list[Figure]
    claimed: dict[str, float]
    """Figures that an uploaded package states itself; nobody here measured them."""
    published_cnn_percent: float
    published_svm_percent: float
    protocol_difference: str
    is_elpv: bool
    approve_word: str
    """What the approve button says; empty when there is nothing to approve."""
    approve_blocked: str
    """Why the button is disabled; empty when it is not."""
    withdraw_blocked: str
    is_key_protected: bool


@dataclass(frozen=True, slots=True)
class RunPage:
    run: Run
    recipe: str
    versions: list[ModelVersion]
    figures: list[Figure]
    percent_done: int
    running_s: float | None
    is_active: bool
    is_first: bool
    cancel_blocked: str
    now: datetime


def version_page(version: ModelVersion, user: User) -> VersionPage:
    manifest = msgspec.convert(version.manifest, Manifest)
    return VersionPage(
        version=version,
        manifest=manifest,
        figures=selectors.figures(version.metrics),
        claimed={} if version.metrics else manifest.metrics,
        published_cnn_percent=100 * selectors.PUBLISHED_CNN_RATIO,
        published_svm_percent=100 * selectors.PUBLISHED_SVM_RATIO,
        protocol_difference=selectors.PROTOCOL_DIFFERENCE,
        is_elpv=selectors.is_elpv(version),
        approve_word=_approve_word(version),
        approve_blocked=_approve_blocked(version, user),
        withdraw_blocked=_withdraw_blocked(version, user),
        is_key_protected=_is_key_protected(),
    )


def run_page(run: Run, user: User) -> RunPage:
    now = timezone.now()
    recipe = CATALOGUE.get(run.recipe)
    is_active = run.state in {RunState.QUEUED, RunState.RUNNING}
    return RunPage(
        run=run,
        recipe=recipe.title if recipe else run.recipe,
        versions=list(selectors.versions().filter(run=run)),
        figures=selectors.figures(run.metrics),
        percent_done=round(100 * run.progress.get("share_ratio", 0.0)),
        running_s=((run.ended_at or now) - run.started_at).total_seconds() if run.started_at else None,
        is_active=is_active,
        is_first=is_active and not selectors.versions().exists(),
        cancel_blocked=_cancel_blocked(run, user),
        now=now,
    )


def run_figure(run: Run) -> dict[str, Any]:
    """Loss by step, with its moving mean. Colours are the page's tokens."""
    steps = [point["step"] for point in run.curve]
    losses = [point["loss"] for point in run.curve]
    line = {"type": "scatter", "mode": "lines", "x": steps}
    return {
        "data": [
            {**line, "y": losses, "name": "loss", "line": {"color": "var(--ink-faint)", "width": 1}},
            {**line, "y": _moving_mean(losses), "name": "moving mean", "line": {"color": "var(--ink)", "width": 2}},
        ],
        "layout": {
            "xaxis": {"title": {"text": "training step"}},
            "yaxis": {"title": {"text": "loss (cross-entropy)"}, "rangemode": "tozero"},
        },
    }


def _moving_mean(values: list[float]) -> list[float]:
    """The mean of each value and those just before it."""
    windows = (values[max(0, end - MOVING_MEAN_COUNT) : end] for end in range(1, len(values) + 1))
    return [round(sum(window) / len(window), 5) for window in windows]


def _approve_word(version: ModelVersion) -> str:
    if version.state == VersionState.VALIDATED:
        return "Approve and publish"
    return "Finish publication" if version.state in WAITING_FOR_APPROVAL else ""


def _approve_blocked(version: ModelVersion, user: User) -> str:
    if not may(user, Permission.APPROVE_VERSION):
        return "Your roles do not include “approve version”."
    if user.pk in selectors.authors(version):
        return "You trained or uploaded this version; another person must approve it."
    return ""


def _withdraw_blocked(version: ModelVersion, user: User) -> str:
    if version.state == VersionState.WITHDRAWN:
        return "It is withdrawn already."
    return "" if may(user, Permission.APPROVE_VERSION) else "Your roles do not include “approve version”."


def _cancel_blocked(run: Run, user: User) -> str:
    if run.is_cancel_wanted:
        return "It ends at its next step."
    return "" if may(user, Permission.TRAIN) else "Your roles do not include “train”."


def _is_key_protected() -> bool:
    try:
        return repository().targets_key().is_protected
    except SigningError:  # no key yet: the first approval makes one without a passphrase
        return False
