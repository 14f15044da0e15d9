import getpass
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from apps.core.errors import ProductError
from apps.models import services

PASSPHRASE_MIN = 12


class Command(BaseCommand):
    help = "Make the repository that devices trust, and its keys. What is there stays."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--ask-passphrase", action="store_true", help="protect the key that signs versions with a passphrase"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        passphrase = self._passphrase() if options["ask_passphrase"] else None
        try:
            here = services.repository_create(now=timezone.now(), passphrase=passphrase)
        except ProductError as exc:
            raise CommandError(exc.text) from exc
        for state in here.states():
            protected = ", passphrase" if state.is_protected else ""
            self.stdout.write(f"{state.role}: version {state.version}, until {state.expires_at:%Y-%m-%d}{protected}")

    def _passphrase(self) -> str:
        passphrase = getpass.getpass("Passphrase for the signing key: ")
        if len(passphrase) < PASSPHRASE_MIN:
            raise CommandError(f"A passphrase needs at least {PASSPHRASE_MIN} characters.")
        if getpass.getpass("Again: ") != passphrase:
            raise CommandError("The two passphrases differ.")
        return passphrase
