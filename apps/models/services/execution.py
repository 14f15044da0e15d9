"""Carries out one run, in whatever process calls."""

import logging
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from django.db.models import Max
from django.utils import timezone

from apps.core import files
from apps.core.errors import Conflict, ProductError
from apps.datasets import selectors as datasets
from apps.datasets.states import Split
from apps.models.models import ModelVersion, Run
from apps.models.progress import LEASE_S, ProgressWriter, RunLost
from apps.models.selectors import gate_metrics
from apps.models.services.registry import version_register
from apps.models.services.runs import run_claim, run_end
from apps.models.states import RunState
from apps.models.training.errors import Cancelled, TrainingError
from edge_agent.wire.manifest import Lineage

if TYPE_CHECKING:
    from apps.models.training.order import LabelledFile, Trained, TrainingOrder

logger = logging.getLogger(__name__)

NUMBER_TRIES = 3
"""Two runs of one model may end at once and want the same number."""


def run_execute(*, run_id: int) -> bool:
    """Train, register, and end the run with its result or a sentence. Takes minutes. False: not queued any more.

    A run that was taken from this worker meanwhile is left alone.
    """
    attempt = run_claim(run_id=run_id, now=timezone.now(), lease_s=LEASE_S)
    if attempt is None:
        return False
    try:
        _execute(Run.objects.select_related("model", "dataset_version__dataset", "created_by").get(pk=run_id), attempt)
    except RunLost:
        logger.warning("run_lost run=%s attempt=%s", run_id, attempt)
    except Cancelled:
        _end(run_id, RunState.CANCELLED)
    except (TrainingError, ProductError) as exc:
        _end(run_id, RunState.FAILED, error=str(exc))
    except Exception as exc:
        # The story ends here: a person must see that it did, and the log says where.
        logger.exception("run_broke run=%s", run_id)
        _end(run_id, RunState.FAILED, error=f"The run broke off ({type(exc).__name__}); the worker's log says where.")
    return True


def _execute(run: Run, attempt: int) -> None:
    # torch takes seconds and 300 MB to import, which the site has no use for.
    from apps.models.training.run import train

    writer = ProgressWriter(run.pk, attempt)
    trained = train(_order(run), writer)
    writer.flush()
    metrics = gate_metrics(trained.report)
    version = _register(run, trained, metrics)
    Run.objects.filter(pk=run.pk).update(metrics=metrics, progress={"stage": "done", "share_ratio": 1.0})
    logger.info("run_trained run=%s version=%s", run.pk, version.pk)
    _end(run.pk, RunState.SUCCEEDED)


def _order(run: Run) -> "TrainingOrder":
    from apps.models.training.order import TrainingOrder

    version = run.dataset_version
    assert version is not None, "a training run is created with a data set version"
    good, defect, *others = version.dataset.labels
    return TrainingOrder(
        recipe=run.recipe,
        seed=run.seed,
        train=_split(version.pk, Split.TRAIN, good),
        calibration=_split(version.pk, Split.CALIBRATION, good),
        search=_split(version.pk, Split.SEARCH, good),
        gate=_split(version.pk, Split.GATE, good),
        good_label=good,
        # One score tells good from not good; with several kinds of defect it cannot name the kind.
        defect_label="defect" if others else defect,
        parameters=run.parameters,
        lineage=Lineage(
            dataset=f"{version.dataset.name} {version.number}"[:100],
            dataset_digest=version.digest,
            recipe=run.recipe,
            seed=run.seed,
        ),
    )


def _split(version_id: int, which: Split, good: str) -> "list[LabelledFile]":
    from apps.models.training.order import LabelledFile

    members = datasets.split(version_id, which)
    return [LabelledFile(files.path_of(one.sha256), is_defect=one.label != good) for one in members]


def _register(run: Run, trained: "Trained", metrics: dict[str, object]) -> ModelVersion:
    from apps.models.training.packaging import package_of

    with tempfile.TemporaryDirectory(prefix="package-") as folder:
        package = Path(folder) / "package.zip"
        for _ in range(NUMBER_TRIES):
            last = run.model.versions.aggregate(last=Max("number"))["last"] or 0
            package.write_bytes(package_of(trained, name=run.model.name, number=last + 1))
            try:
                return version_register(package=package, run=run, by=run.created_by, metrics=metrics)
            except Conflict as exc:
                taken = exc
    raise taken


def _end(run_id: int, state: RunState, *, error: str = "") -> None:
    run_end(run_id=run_id, old=RunState.RUNNING, new=state, now=timezone.now(), error=error)
