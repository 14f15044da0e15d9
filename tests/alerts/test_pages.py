from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from apps.accounts.rights import Role
from apps.alerts.models import Alert
from apps.alerts.services import alerts_evaluate_due
from tests.factories.rollouts import PersonFactory
from tests.factories.telemetry import DeviceFactsFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def alert() -> Alert:
    now = timezone.now()
    DeviceFactsFactory(last_seen_at=now - timedelta(seconds=600))
    alerts_evaluate_due(now=now)
    return Alert.objects.get()


def inbox(client, tab: str = "open") -> str:
    return client.get(reverse("alerts:list"), {"tab": tab}).content.decode()


def test_the_inbox_says_device_value_and_limit(client, alert):
    client.force_login(PersonFactory(role=Role.VIEWER))
    page = inbox(client)
    assert alert.device.name in page
    assert "Not heard of for 10 min; the limit is 90 s." in page


def test_an_empty_inbox_says_what_would_be_here(client):
    client.force_login(PersonFactory(role=Role.VIEWER))
    assert "Nothing waits for you" in inbox(client)
    assert "No such alerts" in inbox(client, "resolved")


def test_acknowledging_moves_the_alert_to_its_tab_and_names_the_person(client, alert):
    person = PersonFactory(role=Role.REVIEWER)
    client.force_login(person)
    client.post(reverse("alerts:acknowledge", args=[alert.pk]), {"tab": "open"})
    assert alert.device.name not in inbox(client).partition('id="alerts"')[2].partition("toasts")[0]
    assert person.username in inbox(client, "acknowledged")


def test_who_may_only_look_finds_the_button_disabled(client, alert):
    client.force_login(PersonFactory(role=Role.AUDITOR))
    assert "Your roles do not include" in inbox(client)
    assert client.post(reverse("alerts:acknowledge", args=[alert.pk])).status_code == 403


def test_a_person_of_another_site_sees_no_alert_and_cannot_touch_it(client, alert):
    client.force_login(PersonFactory(role=Role.VIEWER, role__site_id=alert.device.line.site_id + 1000))
    assert alert.device.name not in inbox(client)
    client.post(reverse("alerts:acknowledge", args=[alert.pk]))
    alert.refresh_from_db()
    assert alert.state == "open"


def test_the_api_lists_alerts_with_value_and_limit(client, alert):
    client.force_login(PersonFactory(role=Role.VIEWER))
    (row,) = client.get(reverse("api:alert_list"), {"state": "open"}).json()["results"]
    assert (row["rule"], row["device"], row["value"], row["limit"]) == ("device_silent", alert.device.name, 600, 90)


def test_the_fragment_keeps_the_tab(client, alert):
    client.force_login(PersonFactory(role=Role.VIEWER))
    reply = client.get(reverse("alerts:list_live"), {"tab": "resolved"}).content.decode()
    assert "<html" not in reply
    assert 'aria-current="page"' in reply.partition("tab-resolved")[2][:120]
