"""Sites and lines: an admin makes and renames them, and nobody else."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.accounts.rights import Role
from apps.core.models import AuditRow
from apps.devices.models import Line, Site
from tests.factories.devices import DeviceFactory, LineFactory, SiteFactory
from tests.factories.rollouts import PersonFactory

pytestmark = pytest.mark.django_db


def client_of(role: Role, site_id: int | None = None) -> Client:
    client = Client()
    client.force_login(PersonFactory(role=role, role__site_id=site_id))
    return client


@pytest.fixture
def admin() -> Client:
    return client_of(Role.ADMIN)


def page_of(client: Client, name: str, *args: int) -> str:
    reply = client.get(reverse(f"dashboard:{name}", args=args))
    assert reply.status_code == 200
    return reply.content.decode()


def test_from_nothing_a_site_a_line_and_a_device_come_about_by_the_pages(admin):
    assert "Add the site and its lines first" in page_of(admin, "device_add")
    assert "No site yet" in page_of(admin, "sites")
    admin.post(reverse("dashboard:site_add"), {"name": "North", "time_zone": "Europe/Berlin"})
    site = Site.objects.get(name="North", time_zone="Europe/Berlin")
    admin.post(reverse("dashboard:line_add", args=[site.pk]), {"name": "Line A1", "product": "Cell"})
    line = Line.objects.get(site=site, name="Line A1", product="Cell")
    assert "Line A1" in page_of(admin, "sites")
    reply = admin.post(reverse("dashboard:device_add"), {"line": line.pk, "name": "cam-1"})
    assert reply.status_code == 302
    assert {"site_created", "line_created"} <= set(AuditRow.objects.values_list("verb", flat=True))


def test_a_rename_is_audited_with_what_was_before_and_a_save_without_change_is_not(admin):
    line = LineFactory(name="Line 1", product="Cell")
    address = reverse("dashboard:line_change", args=[line.pk])
    admin.post(address, {"name": "Line 2", "product": "Cell"})
    admin.post(address, {"name": "Line 2", "product": "Cell"})
    row = AuditRow.objects.get(verb="line_changed")
    assert (row.detail["before"]["name"], row.detail["after"]["name"]) == ("Line 1", "Line 2")
    assert row.site_id == line.site_id


def test_a_site_is_renamed_and_its_clock_moved(admin):
    site = SiteFactory()
    admin.post(reverse("dashboard:site_change", args=[site.pk]), {"name": "East", "time_zone": "Asia/Tokyo"})
    site.refresh_from_db()
    assert (site.name, site.time_zone) == ("East", "Asia/Tokyo")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"name": "New", "time_zone": "Mars/Olympus"}, "Mars/Olympus is not one of the available choices"),
        ({"name": "North", "time_zone": "UTC"}, "already a site named North"),
        ({"name": "", "time_zone": "UTC"}, "This field is required"),
    ],
)
def test_what_cannot_be_a_site_is_refused_beside_its_field(admin, given, sentence):
    SiteFactory(name="North")
    reply = admin.post(reverse("dashboard:site_add"), given)
    assert reply.status_code == 400
    assert sentence in reply.content.decode()
    assert Site.objects.count() == 1


def test_two_lines_of_one_site_have_two_names(admin):
    line = LineFactory(name="Line A1")
    reply = admin.post(reverse("dashboard:line_add", args=[line.site_id]), {"name": "Line A1", "product": ""})
    assert "already a line at this site named Line A1" in reply.content.decode()


def test_an_admin_of_one_site_manages_that_one_and_adds_none():
    here, there = SiteFactory(name="Here"), SiteFactory(name="There")
    client = client_of(Role.ADMIN, here.pk)
    page = page_of(client, "sites")
    assert "Here" in page
    assert "There" not in page
    assert client.get(reverse("dashboard:site_add")).status_code == 403
    assert client.get(reverse("dashboard:site_change", args=[there.pk])).status_code == 404
    client.post(reverse("dashboard:line_add", args=[there.pk]), {"name": "x"})
    assert not there.lines.exists()


def test_the_list_costs_the_same_for_many_sites_as_for_one(admin):
    def cost() -> int:
        page_of(admin, "sites")
        with CaptureQueriesContext(connection) as queries:
            page_of(admin, "sites")
        return len(queries)

    DeviceFactory()
    few = cost()
    for _ in range(8):
        DeviceFactory()
    assert cost() == few
