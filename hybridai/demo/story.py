"""The demo's story, a step at a time. Each step looks at the rows first, so it may be killed and told again.

Training and the first rollout go through the same services as a person's forms; the rollout is marked as demo.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.utils import timezone

from apps.accounts.rights import Role
from apps.core.services import audit
from apps.datasets import selectors as dataset_selectors
from apps.datasets import services as datasets
from apps.datasets.models import Dataset, DatasetVersion
from apps.models import selectors as model_selectors
from apps.models import services as models
from apps.models.models import InspectionModel, ModelVersion, Run
from apps.models.states import RunKind, RunState, VersionState
from apps.rollouts import services as rollouts
from apps.rollouts.models import Rollout
from apps.rollouts.policy import OnFailure, Plan
from apps.rollouts.states import RolloutState
from hybridai.demo.factory import DEVICES, accounts_file
from hybridai.demo.people import demo_user, people_make
from hybridai.demo.pictures import pictures_lay_out
from hybridai.demo.plant import ACTOR, plant_build, plant_device_ids

MODEL_NAME = "cells"
SEED = 7
PLAN = Plan(
    soak_s=10.0,
    offer_timeout_s=180.0,
    max_wait_s=900.0,
    min_items=30,
    probation_items=15,
    probation_s=120.0,
    # Three devices share two cores with the whole cloud here; a plant's device has its own.
    max_late_ratio=0.2,
    on_failure=OnFailure.PAUSE,
)

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Script:
    """What this telling is about."""

    data_dir: Path
    cloud_url: str
    recipe: str
    images: Path | None
    """A folder of images by class; None: the ELPV cells."""


class Story:
    """Ask `advance` again and again; each call does what can be done now."""

    def __init__(self, script: Script, *, tell: Tell) -> None:
        self._script = script
        self._tell = tell

    def advance(self) -> None:
        people_make(accounts_file(self._script.data_dir))
        plant_build(data_dir=self._script.data_dir, cloud_url=self._script.cloud_url)
        dataset_version = self._frozen(self._dataset())
        pictures_lay_out(dataset_version_id=dataset_version.pk, data_dir=self._script.data_dir)
        run = self._training(dataset_version)
        version = ModelVersion.objects.filter(run=run).first()
        if run.state == RunState.SUCCEEDED and version:
            self._publish(version)
            self._roll_out(version, timezone.now())

    def is_told(self) -> bool:
        """The first rollout came to its end; the next one is the visitor's."""
        ends = [RolloutState.COMPLETED, RolloutState.RETURNED, RolloutState.STOPPED]
        return Rollout.objects.filter(is_demo=True, state__in=ends).exists()

    def _dataset(self) -> Dataset:
        now = timezone.now()
        if self._script.images is None:
            if not Dataset.objects.filter(name=datasets.ELPV_NAME).exists():
                self._tell("importing the ELPV solar-cell images")
            return datasets.elpv_import(now=now)
        return datasets.folder_import(path=self._script.images, name=self._script.images.name, now=now)

    def _frozen(self, dataset: Dataset) -> DatasetVersion:
        version = dataset_selectors.newest_version(dataset.pk)
        if version is None:
            version = datasets.version_freeze(dataset_id=dataset.pk, seed=SEED, now=timezone.now())
            self._tell(f"froze {version.members.count()} images into disjoint splits")
        return version

    def _training(self, dataset_version: DatasetVersion) -> Run:
        run = Run.objects.filter(kind=RunKind.TRAINING, model__name=MODEL_NAME).order_by("id").first()
        if run is None:
            model = InspectionModel.objects.filter(name=MODEL_NAME).first() or models.model_create(name=MODEL_NAME)
            run = models.run_create(
                kind=RunKind.TRAINING,
                model_id=model.pk,
                dataset_version_id=dataset_version.pk,
                recipe=self._script.recipe,
                parameters={},
                seed=SEED,
                by=demo_user(Role.LEAD),
            )
            self._tell("training the first model; the site shows how far it is")
        return run

    def _publish(self, version: ModelVersion) -> None:
        if version.state not in {VersionState.VALIDATED, VersionState.APPROVED, VersionState.SIGNED}:
            return
        if version.state == VersionState.VALIDATED:
            for line in model_selectors.gate_report(version):
                self._tell(line)
        models.version_approve(version_id=version.pk, by=demo_user(Role.APPROVER), now=timezone.now())
        self._tell(f"version {version.number} is approved, signed and published")

    def _roll_out(self, version: ModelVersion, now: datetime) -> None:
        rollout = Rollout.objects.filter(is_demo=True).first()
        device_ids = plant_device_ids()
        if rollout is None and len(device_ids) == len(DEVICES):
            rollout = rollouts.rollout_create(
                version_id=version.pk,
                name="First model (demo)",
                device_ids=device_ids,
                plan=PLAN,
                by=demo_user(Role.ADMIN),
                now=now,
                is_demo=True,
            )
        if rollout and rollout.state == RolloutState.DRAFT:
            rollouts.rollout_submit(rollout_id=rollout.pk, by=demo_user(Role.ADMIN), now=now)
            rollout.refresh_from_db()
        if rollout and rollout.state == RolloutState.AWAITING_APPROVAL:
            self._approve(rollout, now)

    def _approve(self, rollout: Rollout, now: datetime) -> None:
        rollouts.rollout_approve(
            rollout_id=rollout.pk,
            by=demo_user(Role.APPROVER),
            content_hash=rollout.content_hash,
            comment="Demo: approved by the second demo admin.",
            now=now,
        )
        audit(actor=ACTOR, verb="demo_rollout", object=f"rollout:{rollout.pk}")
        self._tell("the first rollout is approved by a second person; the devices take it in stages")
