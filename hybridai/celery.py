"""Celery makes things happen sooner and carries heavy work; rows are the truth."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hybridai.settings")

app = Celery("hybridai")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.conf.task_routes = {
    "apps.models.tasks.training_run": {"queue": "train"},
    "apps.models.tasks.optimization_run": {"queue": "optimize"},
}
app.conf.beat_schedule = {"worker_canary": {"task": "apps.core.tasks.worker_canary", "schedule": 10.0}}
