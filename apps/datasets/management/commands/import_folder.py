from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from apps.core.errors import Wrong
from apps.datasets import services


class Command(BaseCommand):
    help = "Import a folder of images with one sub-folder per class, and freeze its splits."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path)
        parser.add_argument("--name", required=True, help="the data set's name")
        parser.add_argument("--labels", nargs="*", help="the classes, good first; else all sub-folders")
        parser.add_argument("--seed", type=int, default=0)

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        try:
            dataset = services.folder_import(
                path=options["folder"], name=options["name"], labels=options["labels"], now=now
            )
            version = services.version_freeze(dataset_id=dataset.pk, seed=options["seed"], now=now)
        except Wrong as exc:
            raise CommandError(exc.text) from exc
        for skipped in dataset.progress["skipped"]:
            self.stderr.write(f"skipped {skipped['file']}: {skipped['reason']}")
        self.stdout.write(f"{dataset.name}: {dataset.images.count()} images, version {version.number} {version.digest}")
