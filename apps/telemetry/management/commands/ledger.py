"""`manage.py ledger`: are all records here, each exactly once?"""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.telemetry.selectors import LedgerRow, ledger

_COLUMNS = {
    "device": 24,
    "kind": 12,
    "stream": 12,
    "issued": 10,
    "stored": 10,
    "gap": 8,
    "duplicates": 11,
    "lag": 8,
    "resent": 8,
    "quarantined": 12,
    "tombstones": 11,
}


class Command(BaseCommand):
    help = "Records issued, stored, missing and doubled, per device and stream. Exit code 1 when the account is wrong."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", dest="is_json", help="machine-readable")

    def handle(self, *args: Any, is_json: bool = False, **options: Any) -> None:
        rows = ledger()
        if is_json:
            self.stdout.write(json.dumps({"streams": [asdict(row) for row in rows], "verdict": verdict(rows)}))
        else:
            self._table(rows)
        if not all(row.is_sound for row in rows):
            raise CommandError(verdict(rows))

    def _table(self, rows: list[LedgerRow]) -> None:
        self.stdout.write(" ".join(name.ljust(width) for name, width in _COLUMNS.items()))
        for row in rows:
            cells = asdict(row) | {"stream": row.stream[:8]}
            self.stdout.write(" ".join(str(cells[name]).ljust(width) for name, width in _COLUMNS.items()))
        issued, stored = sum(row.issued for row in rows), sum(row.stored for row in rows)
        self.stdout.write(f"{issued} issued, {stored} stored: {verdict(rows)}")


def verdict(rows: list[LedgerRow]) -> str:
    """One sentence: what is wrong, what is still on the way, or that nothing is missing."""
    gap, doubled = sum(row.gap for row in rows), sum(row.duplicates for row in rows)
    if gap or doubled:
        return f"not sound: {gap} missing, {doubled} doubled"
    lag = sum(row.lag for row in rows)
    return f"{lag} still on the devices" if lag else "complete"
