"""`manage.py demo_story`: tells the demo's story beside a running installation; `manage.py demo` starts it."""

import logging
import threading
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from apps.core.errors import ProductError
from hybridai.demo.factory import diary_file
from hybridai.demo.story import Script, Story

logger = logging.getLogger(__name__)

RECIPE = "efficientnet_lite0_quick"
LOOK_EVERY_S = 2.0
LOOK_WHEN_TOLD_EVERY_S = 15.0


def add_story_arguments(parser: CommandParser) -> None:
    parser.add_argument("--recipe", default=RECIPE, help=f"how the first model is trained (default: {RECIPE})")
    parser.add_argument("--images", type=Path, help="a folder of images by class, instead of the ELPV cells")


class Command(BaseCommand):
    help = "Build the demo's factory, train and roll out its first model. May be stopped and started again."

    def add_arguments(self, parser: CommandParser) -> None:
        add_story_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        script = Script(
            data_dir=settings.DATA_DIR,
            cloud_url=f"http://127.0.0.1:{settings.GATEWAY_PORT}",
            recipe=options["recipe"],
            images=options["images"],
        )
        story = Story(script, tell=self._tell)
        stop = threading.Event()
        while not stop.wait(LOOK_WHEN_TOLD_EVERY_S if story.is_told() else LOOK_EVERY_S):
            try:
                story.advance()
            except ProductError as exc:
                # The rows say what is missing; the next look tries again.
                logger.warning("demo_step_waits code=%s error=%s", exc.code, exc.text)

    def _tell(self, line: str) -> None:
        diary = diary_file(settings.DATA_DIR)
        diary.parent.mkdir(parents=True, exist_ok=True)
        with diary.open("a") as stream:
            stream.write(f"{timezone.now():%Y-%m-%dT%H:%M:%SZ} {line}\n")
