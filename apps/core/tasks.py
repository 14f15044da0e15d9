import time

from celery import shared_task
from django.core.cache import cache

from apps.core.selectors import WORKER_SEEN_KEY


@shared_task(ignore_result=True, expires=30)
def worker_canary() -> None:
    """Beat sends it, a worker runs it: proof that tasks are consumed, not only accepted."""
    cache.set(WORKER_SEEN_KEY, time.time(), timeout=None)
