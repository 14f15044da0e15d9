"""Every page for every role, without anything and with a plant behind it."""

from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import User
from apps.accounts.rights import Role
from apps.core.models import AuditRow
from apps.devices.models import Command, ConfigurationRevision, Device
from apps.devices.states import Admission
from apps.telemetry.models import Window
from tests.factories.plant import Plant
from tests.factories.rollouts import PersonFactory
from tests.factories.telemetry import WindowFactory

pytestmark = pytest.mark.django_db

PAGES = (
    "overview",
    "kiosk_live",
    "overview_main",
    "overview_side",
    "nav_entries",
    "lines",
    "devices",
    "devices_table",
    "settings",
)


def client_of(role: Role, site_id: int | None = None) -> Client:
    user = PersonFactory(username=f"a-{role}", role=role, role__site_id=site_id)
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def admin() -> Client:
    return client_of(Role.ADMIN)


@pytest.fixture
def plant() -> Plant:
    plant = Plant(timezone.now())
    plant.work_for_people(author=PersonFactory(role=Role.ADMIN))
    return plant


def text_of(reply) -> str:
    assert reply.status_code == 200, reply.content[:300]
    return reply.content.decode()


@pytest.mark.parametrize("role", Role)
def test_every_role_gets_every_open_page_without_any_data(role):
    client = client_of(role)
    for page in PAGES:
        assert text_of(client.get(reverse(f"dashboard:{page}"))).strip()


def test_an_empty_overview_says_what_happens_until_the_first_model_inspects(admin):
    page = text_of(admin.get("/"))
    assert "Your first model is on its way" in page
    assert "No line has a device yet" in page


def test_the_overview_counts_states_and_names_what_needs_a_person(plant):
    page = text_of(client_of(Role.APPROVER).get("/"))
    for words in ("Line A1", "cells 12", "cells 13", "Approve rollout Cells, retrained", "Silent for 14 min", "Crack"):
        assert words in page, words
    assert "Your first model is on its way" not in page


def test_a_state_tile_filters_the_lines_and_a_second_click_takes_the_filter_away(admin, plant):
    page = text_of(admin.get("/?state=unknown"))
    assert 'id="line-link-' in page
    assert "Line B2" in page
    assert 'class="stale"' in page
    assert "Line A2" not in page
    assert "No line is in this state" in text_of(admin.get("/?state=nothing"))


def test_a_person_of_one_site_sees_only_its_lines_and_devices(plant):
    client = client_of(Role.VIEWER, plant.sites[1].id)
    assert "Line A1" not in text_of(client.get("/"))
    assert "Line B1" in text_of(client.get("/"))
    far = plant.devices[0]
    assert client.get(reverse("dashboard:device", args=[far.pk])).status_code == 404
    assert client.get(reverse("dashboard:device_figure", args=[far.pk, "latency"])).status_code == 404


def query_count(client: Client, address: str, connection) -> int:
    client.get(address)
    with CaptureQueriesContext(connection) as queries:
        text_of(client.get(address))
    return len(queries)


def test_pages_cost_as_many_queries_for_thirty_devices_as_for_three(admin):
    from django.db import connection

    addresses = [reverse(f"dashboard:{page}") for page in PAGES]
    Plant(timezone.now(), device_count=3)
    few = [query_count(admin, address, connection) for address in addresses]
    grow(27)
    many = [query_count(admin, address, connection) for address in addresses]
    assert many == few


def grow(count: int) -> None:
    from tests.factories.devices import DeviceFactory
    from tests.factories.telemetry import DeviceFactsFactory, WindowFactory

    now = timezone.now()
    for _ in range(count):
        device = DeviceFactory()
        DeviceFactsFactory(device=device, last_seen_at=now, last_item_at=now, active_digest="a" * 64)
        WindowFactory(device=device, start=now)


def test_the_device_page_shows_latency_beside_its_limits(admin, plant):
    page = text_of(admin.get(reverse("dashboard:device", args=[plant.devices[1].pk])))
    assert "limit 45 ms" in page
    assert "limit 200 ms" in page
    assert "cells 12" in page


def test_the_device_page_says_which_items_no_model_saw(admin, plant):
    page = text_of(admin.get(reverse("dashboard:device", args=[plant.devices[4].pk])))
    assert "225 cannot judge, 225 of them without a model" in page


@pytest.mark.parametrize("number", range(6))
def test_the_device_page_has_every_state(admin, plant, number):
    text_of(admin.get(reverse("dashboard:device", args=[plant.devices[number].pk])))


@pytest.mark.parametrize("kind", ["latency", "items", "reject"])
def test_a_figure_has_one_point_per_window_and_names_colours_as_tokens(admin, plant, kind):
    reply = admin.get(reverse("dashboard:device_figure", args=[plant.devices[1].pk, kind]) + "?hours=junk")
    figure = reply.json()
    assert all(len(trace["x"]) == len(trace["y"]) == 3 for trace in figure["data"])
    assert "var(--" in reply.content.decode()


def test_a_chart_shows_the_plants_time_and_names_its_zone(admin, plant):
    device = plant.devices[1]
    figure = admin.get(reverse("dashboard:device_figure", args=[device.pk, "items"])).json()
    newest = Window.objects.filter(device=device).latest("start").start.astimezone(ZoneInfo("Europe/Berlin"))
    assert figure["data"][0]["x"][-1] == newest.replace(tzinfo=None).isoformat()
    assert figure["layout"]["xaxis"]["title"]["text"] == "plant time (Europe/Berlin)"


def test_items_without_a_model_say_nothing_about_yield(admin):
    now = timezone.now()
    idle = WindowFactory(start=now, model_digest=None, verdict_counts={"cannot_judge": 75})
    page = text_of(admin.get(reverse("dashboard:overview_side")))
    assert "No item was judged yet in this time. 75 came by while no model ran" in page
    assert "first-pass yield" not in page
    counts = {"ok": 60, "defect": 15, "cannot_judge": 5}
    WindowFactory(device=idle.device, stream=idle.stream, start=now, verdict_counts=counts)
    page = text_of(admin.get(reverse("dashboard:overview_side")))
    assert "AI first-pass yield 75.0 %" in page
    assert "of 80 items; 75 more came by while no model ran and are left out" in page


def test_a_pushed_setting_becomes_the_next_desired_revision(admin, plant):
    device = plant.devices[1]
    page = admin.get(reverse("dashboard:device", args=[device.pk]))
    values = {name: "" if value is None else value for name, value in page.context["form"].initial.items()}
    reply = admin.post(
        reverse("dashboard:device_configure", args=[device.pk]), values | {"takt_ms": 900, "reason": "slower belt"}
    )
    assert reply.status_code == 302
    row = ConfigurationRevision.objects.get(device=device)
    assert (row.revision, row.body["inspection"]["takt_ms"], row.reason) == (1, 900, "slower belt")
    assert "slower belt" in text_of(admin.get(reverse("dashboard:device", args=[device.pk])))


def test_a_setting_out_of_range_is_refused_beside_its_field(admin, plant):
    device = plant.devices[1]
    reply = admin.post(reverse("dashboard:device_configure", args=[device.pk]), {"takt_ms": 3, "reason": "x"})
    assert reply.status_code == 400
    assert "greater than or equal to 20" in reply.content.decode()
    assert not ConfigurationRevision.objects.exists()


def test_a_health_check_is_queued_and_shown(admin, plant):
    device = plant.devices[1]
    admin.post(reverse("dashboard:device_command", args=[device.pk]))
    assert Command.objects.get(device=device).created_by.username == "a-admin"
    assert "Queued" in text_of(admin.get(reverse("dashboard:device_commands", args=[device.pk])))


def test_a_device_is_registered_gets_a_code_once_and_can_be_quarantined(admin, plant):
    line = plant.devices[0].line
    reply = admin.post(reverse("dashboard:device_add"), {"line": line.pk, "name": "cam-new"})
    device = Device.objects.get(name="cam-new")
    assert reply.url == reverse("dashboard:device", args=[device.pk])
    code_page = admin.post(reverse("dashboard:device_code", args=[device.pk]))
    assert code_page.headers["Cache-Control"] == "no-store"
    assert code_page.context["code"] in code_page.content.decode()
    other = plant.devices[1]
    admin.post(reverse("dashboard:device_admission", args=[other.pk, "quarantine"]), {"reason": "stolen"})
    other.refresh_from_db()
    assert (other.state, other.state_reason) == (Admission.QUARANTINED, "stolen")
    assert AuditRow.objects.filter(verb="device_quarantined").exists()


def test_a_second_device_of_one_name_is_refused_in_a_sentence_not_a_crash(admin, plant):
    line = plant.devices[0].line
    address = reverse("dashboard:device_add")
    reply = admin.post(
        address, {"line": line.pk, "name": "cam-A1"}, headers={"referer": f"http://testserver{address}"}, follow=True
    )
    assert "already a device named cam-A1" in text_of(reply)


def test_a_role_is_given_and_taken_and_the_last_admin_stays(admin):
    viewer = PersonFactory(role=Role.VIEWER)
    address = reverse("dashboard:role_set", args=[viewer.pk])
    admin.post(address, {"role": "lead", "is_held": "1"})
    assert {one.role for one in viewer.memberships.all()} == {"viewer", "lead"}
    me = User.objects.get(username="a-admin")
    back = {"referer": "http://testserver" + reverse("dashboard:people")}
    reply = admin.post(
        reverse("dashboard:role_set", args=[me.pk]), {"role": "admin", "is_held": "0"}, headers=back, follow=True
    )
    assert "last admin" in text_of(reply)
    assert me.memberships.filter(role=Role.ADMIN).exists()


def test_a_weak_password_is_refused_beside_its_field_and_a_good_one_works(admin):
    person = {"username": "nils", "password": "short", "role": "viewer", "site": ""}
    address = reverse("dashboard:person_add")
    reply = admin.post(address, person)
    assert reply.status_code == 400
    assert "at least 12 characters" in reply.content.decode()
    assert admin.post(address, person | {"password": "quite a long sentence"}).status_code == 302
    assert Client().login(username="nils", password="quite a long sentence")


def test_the_audit_page_filters_and_proves_the_chain(admin):
    admin.post(
        reverse("dashboard:person_add"), {"username": "a", "password": "quite a long sentence", "role": "viewer"}
    )
    page = text_of(admin.get(reverse("dashboard:audit") + "?verb=user_create&check=1"))
    assert "The chain holds" in page
    assert "user:a" in page
    assert "No row fits this filter" in text_of(admin.get(reverse("dashboard:audit") + "?verb=nobody-did-this"))


def test_the_navigation_leaves_out_what_a_role_may_not_see():
    page = text_of(client_of(Role.VIEWER).get(reverse("dashboard:nav_entries")))
    assert "Devices" in page
    assert "nav-review" not in page


@pytest.mark.parametrize("address", ["/nowhere/", "/devices/00000000-0000-0000-0000-000000000000/"])
def test_what_is_not_there_is_a_page_of_ours(admin, address):
    reply = admin.get(address)
    assert reply.status_code == 404
    assert "core/tokens.css" in reply.content.decode()


def test_a_broken_page_names_an_id_and_says_that_the_lines_go_on(rf):
    from apps.dashboard.errors import broken

    reply = broken(rf.get("/"))
    assert reply.status_code == 500
    assert "Error id" in reply.content.decode()
