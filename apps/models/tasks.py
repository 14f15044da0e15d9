import os

from celery import shared_task

from apps.models import services

NICENESS = 10
"""Agents and the site come first on a shared machine."""


@shared_task(ignore_result=True)
def training_run(run_id: int) -> None:
    os.setpriority(os.PRIO_PROCESS, 0, NICENESS)
    services.run_execute(run_id=run_id)
