"""Runs: made, cancelled, and found again when their worker died. The row is the truth, a task only carries it."""

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from apps.accounts.models import User
from apps.core.doorbell import ring
from apps.core.errors import NotFound, Wrong
from apps.core.leases import claim_due
from apps.core.moves import move
from apps.core.services import audit
from apps.datasets.models import DatasetVersion
from apps.models.events import RunChanged, RunQueued
from apps.models.models import InspectionModel, Run
from apps.models.states import RUN_MOVES, RunKind, RunState
from apps.models.training.catalogue import CATALOGUE

logger = logging.getLogger(__name__)

ATTEMPTS_MAX = 3
QUEUE_LEASE_S = 30.0
"""A queued run is announced again this often, in case its task was lost."""


@transaction.atomic
def run_create(  # noqa: PLR0913  what a run is asked for; its callers name each
    *,
    kind: RunKind,
    model_id: int,
    dataset_version_id: int,
    recipe: str,
    parameters: Mapping[str, float],
    seed: int,
    by: User | None,
) -> Run:
    """Queue a run. `by` counts as the author of what comes out. Raises NotFound, Wrong(unknown_recipe)."""
    if kind == RunKind.TRAINING and recipe not in CATALOGUE:
        raise Wrong(f"There is no recipe {recipe}.", code="unknown_recipe", fields={"recipe": "Choose a recipe."})
    if not InspectionModel.objects.filter(pk=model_id).exists():
        raise NotFound("There is no such model.")
    if not DatasetVersion.objects.filter(pk=dataset_version_id).exists():
        raise NotFound("There is no such data set version.")
    now = timezone.now()
    run = Run.objects.create(
        kind=kind,
        model_id=model_id,
        dataset_version_id=dataset_version_id,
        recipe=recipe,
        parameters=dict(parameters),
        seed=seed,
        created_by=by,
        next_look_at=now + timedelta(seconds=QUEUE_LEASE_S),
    )
    audit(actor=_actor(by), verb="run_create", object=f"run:{run.pk}", detail={"recipe": recipe, "seed": seed})
    ring(RunQueued(run.pk))
    ring(RunChanged(run.pk))
    return run


@transaction.atomic
def run_cancel(*, run_id: int, by: User) -> Run:
    """End a queued run now, ask a running one to end within seconds; one that has ended stays as it is."""
    run = Run.objects.select_for_update().filter(pk=run_id).first()
    if run is None:
        raise NotFound("There is no such run.")
    if run.state == RunState.QUEUED:
        run_end(run_id=run_id, old=RunState.QUEUED, new=RunState.CANCELLED, now=timezone.now())
    elif run.state == RunState.RUNNING:
        Run.objects.filter(pk=run_id).update(is_cancel_wanted=True)
    else:
        return run
    audit(actor=_actor(by), verb="run_cancel", object=f"run:{run_id}")
    ring(RunChanged(run_id))
    run.refresh_from_db()
    return run


def runs_due(*, now: datetime) -> int:
    """Announce waiting runs again, and requeue those whose worker went silent, three times at most.

    Returns how many rows were looked at.
    """
    waiting = claim_due(Run.objects.filter(state=RunState.QUEUED), now=now, lease_s=QUEUE_LEASE_S)
    for run_id in waiting:
        ring(RunQueued(run_id))
    silent = claim_due(Run.objects.filter(state=RunState.RUNNING), now=now, lease_s=QUEUE_LEASE_S)
    for run_id in silent:
        _silent_run(run_id, now)
    return len(waiting) + len(silent)


def run_end(*, run_id: int, old: RunState, new: RunState, now: datetime, error: str = "") -> bool:
    """Move a run to its end. False: somebody moved it first."""
    moved = move(Run, pk=run_id, moves=RUN_MOVES, old=old, new=new, ended_at=now, next_look_at=None, error=error)
    if moved:
        ring(RunChanged(run_id))
        logger.info("run_ended run=%s state=%s", run_id, new)
    return moved


@transaction.atomic
def _silent_run(run_id: int, now: datetime) -> None:
    run = Run.objects.select_for_update().get(pk=run_id)
    if run.state != RunState.RUNNING:
        return
    if run.is_cancel_wanted:
        run_end(run_id=run_id, old=RunState.RUNNING, new=RunState.CANCELLED, now=now)
    elif run.attempt_count >= ATTEMPTS_MAX:
        error = f"The worker stopped {run.attempt_count} times without a result; its log says why."
        run_end(run_id=run_id, old=RunState.RUNNING, new=RunState.FAILED, now=now, error=error)
    else:
        logger.warning("run_requeued run=%s attempt=%s", run_id, run.attempt_count)
        move(Run, pk=run_id, moves=RUN_MOVES, old=RunState.RUNNING, new=RunState.QUEUED, next_look_at=now)
        ring(RunQueued(run_id))
        ring(RunChanged(run_id))


def _actor(by: User | None) -> str:
    return f"user:{by.username}" if by else "system:models"


def run_claim(*, run_id: int, now: datetime, lease_s: float) -> int | None:
    """Queued > running for this caller, who must renew the lease. Returns the attempt's number, None if not queued."""
    moved = move(
        Run,
        pk=run_id,
        moves=RUN_MOVES,
        old=RunState.QUEUED,
        new=RunState.RUNNING,
        started_at=now,
        next_look_at=now + timedelta(seconds=lease_s),
        attempt_count=F("attempt_count") + 1,
        progress={},
        curve=[],
    )
    if not moved:
        return None
    ring(RunChanged(run_id))
    return Run.objects.values_list("attempt_count", flat=True).get(pk=run_id)
