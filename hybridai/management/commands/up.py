"""`manage.py up`: the whole installation in one terminal, until Ctrl-C."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from hybridai.embedded import folders
from hybridai.embedded.errors import EmbeddedError
from hybridai.embedded.installation import Installation, installation_supervisor
from hybridai.embedded.supervisor import Supervisor

NAME_WIDTH = 10


class Command(BaseCommand):
    help = "Run everything: database, queue, site, device gateway, reconciler, workers."
    # Both would look at a database that this command has yet to start.
    requires_system_checks: list[str] = []
    requires_migrations_checks = False

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (0.0.0.0: from everywhere)")

    def handle(self, *args: Any, **options: Any) -> None:
        plan = installation_of_settings(host=options["host"])
        try:
            with folders.hold(plan.where):
                plan.require_startable()
                self.supervisor(plan).run()
        except EmbeddedError as exc:
            raise CommandError(str(exc)) from exc

    def supervisor(self, plan: Installation) -> Supervisor:
        """Commands that run more than this one add their children here."""
        return installation_supervisor(plan, self.announce, on_site_ready=lambda: self.announce_site(plan))

    def announce_site(self, plan: Installation) -> None:
        self.announce("up", self.style.SUCCESS(f"The site is up: {plan.site_url}"))

    def announce(self, name: str, message: str) -> None:
        """One line on the console; what the programs themselves say is in the data folder under log/."""
        self.stdout.write(f"{timezone.localtime():%H:%M:%S} {name:<{NAME_WIDTH}} {message}")
        self.stdout.flush()


def installation_of_settings(*, host: str) -> Installation:
    return Installation(
        where=settings.EMBEDDED,
        database_url=settings.DATABASE_URL,
        redis_url=settings.REDIS_URL,
        host=host,
        site_port=settings.SITE_PORT,
        gateway_port=settings.GATEWAY_PORT,
    )
