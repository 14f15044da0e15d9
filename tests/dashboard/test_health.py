"""The installation's own health: the policy's states, and the page with nothing measured and with all of it."""

import time
from dataclasses import replace

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.rights import Role
from apps.core.selectors import RECONCILER_SEEN_KEY, WORKER_SEEN_KEY
from apps.dashboard.policy import DAY_S, Health, HealthFacts, RoleLeft, health_checks
from apps.models.services import repository_create
from tests.factories.rollouts import PersonFactory

FINE = HealthFacts(
    worker_silence_s=4.0,
    reconciler_silence_s=2.0,
    database_bytes=900_000_000,
    disk_free_bytes=80_000_000_000,
    disk_total_bytes=100_000_000_000,
    roles=[RoleLeft("timestamp", 12, 13 * DAY_S, is_protected=False)],
)


def states(**changes) -> dict[str, Health]:
    return {check.name: check.state for check in health_checks(replace(FINE, **changes))}


def role(left_days: float, name: str = "timestamp") -> list[RoleLeft]:
    return [RoleLeft(name, 1, left_days * DAY_S, is_protected=False)]


def test_when_all_is_well_every_part_says_so():
    assert set(states().values()) == {Health.IN_ORDER}
    assert all(check.sentence and check.value for check in health_checks(FINE))


@pytest.mark.parametrize(
    ("changes", "part", "state"),
    [
        ({"worker_silence_s": 61.0}, "Worker", Health.ACT_THIS_SHIFT),
        ({"worker_silence_s": 301.0}, "Worker", Health.ACT_NOW),
        ({"worker_silence_s": None}, "Worker", Health.UNKNOWN),
        ({"reconciler_silence_s": 91.0}, "Reconciler", Health.ACT_THIS_SHIFT),
        ({"reconciler_silence_s": 301.0}, "Reconciler", Health.ACT_NOW),
        ({"reconciler_silence_s": None}, "Reconciler", Health.UNKNOWN),
        ({"disk_free_bytes": 9_000_000_000}, "Disk", Health.ACT_THIS_SHIFT),
        ({"disk_free_bytes": 2_000_000_000}, "Disk", Health.ACT_NOW),
        ({"disk_free_bytes": None}, "Disk", Health.UNKNOWN),
        ({"database_bytes": 81_000_000_000}, "Database", Health.ACT_THIS_SHIFT),
        ({"database_bytes": None}, "Database", Health.UNKNOWN),
        ({"roles": None}, "Signatures", Health.UNKNOWN),
        ({"roles": []}, "Signatures", Health.IN_ORDER),
        ({"roles": role(4)}, "Signature: timestamp", Health.ACT_THIS_SHIFT),
        ({"roles": role(1)}, "Signature: timestamp", Health.ACT_NOW),
        ({"roles": role(-1)}, "Signature: timestamp", Health.ACT_NOW),
        ({"roles": role(100, "root")}, "Signature: root", Health.ACT_THIS_SHIFT),
    ],
)
def test_a_part_that_is_not_well_says_how_soon_somebody_must_act(changes, part, state):
    assert states(**changes)[part] == state


@pytest.fixture
def viewer(settings, tmp_path) -> Client:
    """Somebody who looks at an installation without a repository of updates."""
    settings.TUF_DIR, settings.KEYS_DIR = tmp_path / "tuf", tmp_path / "keys"
    client = Client()
    client.force_login(PersonFactory(role=Role.VIEWER))
    return client


def page_of(client: Client) -> str:
    reply = client.get(reverse("dashboard:health_live"))
    assert reply.status_code == 200
    return " ".join(reply.content.decode().split())


@pytest.mark.django_db
def test_the_page_says_unknown_of_what_was_never_heard_of(viewer):
    cache.delete_many([WORKER_SEEN_KEY, RECONCILER_SEEN_KEY])
    page = page_of(viewer)
    assert page.count("It was never heard of") == 2
    assert "The first approval makes the keys" in page


@pytest.mark.django_db
def test_the_page_shows_each_signing_role_and_who_was_heard(viewer):
    cache.set(WORKER_SEEN_KEY, time.time())
    cache.set(RECONCILER_SEEN_KEY, time.time() - 400)
    repository_create(now=timezone.now())
    page = page_of(viewer)
    assert "Tasks are carried out" in page
    assert "Rollouts and alerts stand still" in page
    for name in ("root", "targets", "snapshot", "timestamp"):
        assert f"Signature: {name}" in page
