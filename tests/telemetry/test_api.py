from datetime import UTC, datetime, timedelta

import pytest

from apps.accounts.rights import Role
from apps.accounts.services import user_create
from tests.factories.devices import DeviceFactory
from tests.factories.telemetry import WindowFactory

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def plant(client):
    """A device at the site of the signed-in plant manager."""
    device = DeviceFactory()
    user = user_create(username="pat", password="a long passphrase", memberships=[(Role.VIEWER, device.line.site_id)])
    client.force_login(user)
    return device


def test_windows_are_listed_newest_first_at_the_callers_sites(client, plant):
    for minute in range(3):
        WindowFactory(device=plant, start=NOON + timedelta(minutes=minute))
    WindowFactory()
    page = client.get("/api/v1/windows/", {"device": str(plant.pk), "since": "2026-11-23T12:01:00Z"}).json()
    assert [one["start"] for one in page["results"]] == ["2026-11-23T12:02:00Z", "2026-11-23T12:01:00Z"]
    assert page["results"][0]["device"] == plant.name
    assert client.get("/api/v1/windows/").json()["count"] == 3


def test_a_filter_that_cannot_be_read_is_refused_in_the_one_shape(client, plant):
    response = client.get("/api/v1/windows/", {"device": "nonsense"})
    assert (response.status_code, response.json()["code"]) == (400, "invalid")
    assert "device" in response.json()["fields"]


def test_devices_are_listed_at_the_callers_sites_and_filtered(client, plant):
    DeviceFactory()
    assert [one["name"] for one in client.get("/api/v1/devices/").json()["results"]] == [plant.name]
    assert client.get("/api/v1/devices/", {"state": "quarantined"}).json()["count"] == 0
    assert client.get("/api/v1/devices/", {"name": plant.name.upper()}).json()["count"] == 1


def test_nobody_lists_devices_without_signing_in(client):
    assert client.get("/api/v1/devices/").status_code in (302, 401, 403)
