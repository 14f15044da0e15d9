from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.core.models import AuditRow
from apps.core.selectors import audit_first_break


class Command(BaseCommand):
    help = "Recompute the audit chain and name the first row that was altered, removed or inserted."

    def handle(self, *args: Any, **options: Any) -> None:
        if broken := audit_first_break():
            raise CommandError(f"The audit chain is broken at {broken}.")
        self.stdout.write(f"{AuditRow.objects.count()} audit rows, chain unbroken.")
