from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from apps.datasets import services


class Command(BaseCommand):
    help = "Import the ELPV solar-cell images and freeze their splits."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--limit", type=int, help="take only so many images")
        parser.add_argument("--seed", type=int, default=0)

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        dataset = services.elpv_import(now=now, limit=options["limit"])
        version = services.version_freeze(dataset_id=dataset.pk, seed=options["seed"], now=now)
        self.stdout.write(f"{dataset.name}: {dataset.images.count()} images, version {version.number} {version.digest}")
