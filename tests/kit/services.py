"""Pytest plugin (`-p tests.kit.services`): an own PostgreSQL and Valkey for every test run.

It must be a plugin: pytest-django reads the settings before any conftest.py, and would read those of the developer's
installation. Runs that ask only for Django-free folders start nothing, so that they work while the site is broken.
Runs beside each other in one checkout share nothing.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Generator
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from hybridai.embedded import postgres, valkey
from hybridai.embedded.children import Child
from hybridai.embedded.folders import hold
from hybridai.embedded.locations import Locations, locations

DJANGO_FREE = ("tests/edge_agent", "tests/hybridai/embedded")
FOLDER_PREFIX = "hybridai-tests-"
YOUNG_S = 60.0  # a run beside us makes its folder, then locks it: leave it that moment
PROJECT_ROOT = Path(__file__).resolve().parents[2]


@pytest.hookimpl(wrapper=True)  # a wrapper comes before pytest-django's own "try first"
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, None, None]:
    asked = early_config.known_args_namespace
    if not (asked.help or asked.version or _is_django_free(asked.file_or_dir)):
        _serve(early_config)
    return (yield)


def _is_django_free(asked: list[str]) -> bool:
    """Whether every folder, file or test that was asked for lies in a Django-free part of the tests."""
    free = [PROJECT_ROOT / folder for folder in DJANGO_FREE]
    paths = [Path(one.partition("::")[0]).resolve() for one in asked]
    return bool(paths) and all(any(path.is_relative_to(folder) for folder in free) for path in paths)


def _serve(config: pytest.Config) -> None:
    """Start both servers, tell the settings about them, and stop them when pytest ends in whatever way."""
    _clear_abandoned_folders()
    where = locations(Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX)))
    lock = hold(where)
    config.add_cleanup(lambda: shutil.rmtree(where.data_dir, ignore_errors=True))
    config.add_cleanup(lock.release)
    for spec in (postgres.postgres_spec(where, postgres.FORGETFUL), valkey.valkey_spec(where, valkey.FORGETFUL)):
        child = Child(spec)
        config.add_cleanup(child.stop)
        child.start()
        child.wait_ready()
    os.environ.update(_environment(where))


def _environment(where: Locations) -> dict[str, str]:
    return {
        "DATABASE_URL": where.database_url,
        "REDIS_URL": where.redis_url,
        "HYBRIDAI_DATA": str(where.data_dir),
        "DJANGO_SETTINGS_MODULE": "hybridai.settings",
    }


def _clear_abandoned_folders() -> None:
    """A run that was killed could not clean up; its lock is free, and its servers died with it."""
    for folder in Path(tempfile.gettempdir()).glob(FOLDER_PREFIX + "*"):
        lock_file = folder / "in-use.lock"
        if not lock_file.exists() or time.time() - lock_file.stat().st_mtime < YOUNG_S:
            continue
        try:
            with FileLock(lock_file, timeout=0):
                shutil.rmtree(folder, ignore_errors=True)
        except (Timeout, OSError):
            continue
