from celery import shared_task
from django.utils import timezone

from apps.rollouts import services


@shared_task(ignore_result=True)
def rollout_tick(rollout_id: int) -> None:
    services.rollout_tick(rollout_id=rollout_id, now=timezone.now())


@shared_task(ignore_result=True)
def device_reported(device_id: str) -> None:
    services.device_reported(device_id=device_id, now=timezone.now())
