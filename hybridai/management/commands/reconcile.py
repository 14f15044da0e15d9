import signal
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from hybridai.reconciler import Reconciler
from hybridai.wiring import turns


class Command(BaseCommand):
    help = "Ask every app what is due, every few seconds. Several may run; one works, the others take over from it."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        reconciler = Reconciler(turns(), interval_s=settings.RECONCILE_INTERVAL_S)
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, lambda _signal, _frame: reconciler.stop())
        reconciler.run()
