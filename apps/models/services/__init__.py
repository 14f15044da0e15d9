"""Writes of the models' tables."""

from apps.models.services.execution import run_execute
from apps.models.services.publishing import (
    publications_finish_due,
    repository,
    repository_create,
    repository_roles,
    tuf_refresh_due,
    version_approve,
    version_withdraw,
)
from apps.models.services.registry import model_create, version_register
from apps.models.services.runs import run_cancel, run_create, runs_due

__all__ = [
    "model_create",
    "publications_finish_due",
    "repository",
    "repository_create",
    "repository_roles",
    "run_cancel",
    "run_create",
    "run_execute",
    "runs_due",
    "tuf_refresh_due",
    "version_approve",
    "version_register",
    "version_withdraw",
]
