"""`manage.py demo`: the whole installation, a small factory with three devices, and the story of its first model."""

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from hybridai.demo.factory import DEVICES, accounts_file, diary_file
from hybridai.embedded.installation import Installation
from hybridai.embedded.supervisor import Supervisor
from hybridai.management.commands import up
from hybridai.management.commands.demo_story import add_story_arguments

LOOK_EVERY_S = 0.5
Tell = Callable[[str], None]
CHECKIN_INTERVAL_S = "3"
SILENT_AFTER_S = "30"


class Command(up.Command):
    help = "Run everything plus a demo factory: real images, a model trained here, three devices that inspect with it."
    _has_told_accounts = False

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        add_story_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        # The children read these; a demo's visitor should not wait as long as a plant would.
        os.environ.setdefault("HYBRIDAI_CHECKIN_INTERVAL_S", CHECKIN_INTERVAL_S)
        os.environ.setdefault("HYBRIDAI_SILENT_AFTER_S", SILENT_AFTER_S)
        images = ["--images", str(options["images"].resolve())] if options["images"] else []
        self._story = ["--recipe", options["recipe"], *images]
        super().handle(*args, **options)

    def supervisor(self, plan: Installation) -> Supervisor:
        supervisor = super().supervisor(plan)
        supervisor.add(plan.manage("story", "demo_story", *self._story))
        for device in DEVICES:
            cloud_url = f"http://{plan.probe_host}:{plan.gateway_port}"
            argv = (sys.executable, "-m", "hybridai.demo.device", device.name, cloud_url, str(plan.where.data_dir))
            supervisor.add(plan.child(device.name, *argv))
        follow(diary_file(plan.where.data_dir), lambda line: self.announce("story", line))
        return supervisor

    def announce_site(self, plan: Installation) -> None:
        super().announce_site(plan)
        if not self._has_told_accounts:
            self._has_told_accounts = True
            follow(accounts_file(plan.where.data_dir), lambda line: self.announce("sign in", line), is_from_start=True)


def follow(file: Path, tell: Tell, *, is_from_start: bool = False) -> None:
    """Hand each line that appears in `file` to `tell`, from a thread that ends with the process."""
    offset = 0 if is_from_start or not file.exists() else file.stat().st_size
    threading.Thread(target=_follow, args=(file, tell, offset), name=f"follow-{file.stem}", daemon=True).start()


def _follow(file: Path, tell: Tell, offset: int) -> None:
    never = threading.Event()
    while not never.wait(LOOK_EVERY_S):
        if not file.exists():
            continue
        with file.open("rb") as stream:
            stream.seek(offset)
            text = stream.read()
        complete = text[: text.rfind(b"\n") + 1]
        offset += len(complete)
        for line in complete.decode().splitlines():
            tell(line)
