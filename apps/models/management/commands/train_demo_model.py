import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from apps.datasets import services as datasets
from apps.models import selectors, services
from apps.models.models import InspectionModel, ModelVersion, Run
from apps.models.states import RunKind, RunState
from apps.models.training.catalogue import CATALOGUE


class Command(BaseCommand):
    help = "Train on the ELPV cells in this process, and print what the sealed gate set says."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--recipe", choices=sorted(CATALOGUE), default="efficientnet_lite0_quick")
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--epochs", type=int, help="passes over the images; else the recipe's own number")
        parser.add_argument("--limit", type=int, help="import only so many images")

    def handle(self, *args: Any, **options: Any) -> None:
        started_at = time.monotonic()
        run = self._run(options)
        self.stdout.write(f"data ready after {time.monotonic() - started_at:.0f} s")
        started_at = time.monotonic()
        services.run_execute(run_id=run.pk)
        run.refresh_from_db()
        if run.state != RunState.SUCCEEDED:
            raise CommandError(f"The run {run.state}: {run.error}")
        self.stdout.write(f"trained in {time.monotonic() - started_at:.0f} s")
        for line in selectors.gate_report(ModelVersion.objects.get(run=run)):
            self.stdout.write(line)

    def _run(self, options: dict[str, Any]) -> Run:
        now = timezone.now()
        dataset = datasets.elpv_import(now=now, limit=options["limit"])
        version = datasets.version_freeze(dataset_id=dataset.pk, seed=options["seed"], now=now)
        model, _ = InspectionModel.objects.get_or_create(name="cells")
        return services.run_create(
            kind=RunKind.TRAINING,
            model_id=model.pk,
            dataset_version_id=version.pk,
            recipe=options["recipe"],
            parameters={"epochs": options["epochs"]} if options["epochs"] else {},
            seed=options["seed"],
            by=None,
        )
