from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.accounts.rights import Role
from apps.alerts import services
from apps.alerts.models import Alert, Rule
from apps.alerts.states import AlertState
from apps.core.errors import Conflict, Forbidden
from apps.core.models import AuditRow
from apps.telemetry.models import DeviceFacts
from tests.factories.devices import DeviceFactory
from tests.factories.rollouts import PersonFactory
from tests.factories.telemetry import DeviceFactsFactory

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def silent_device(seconds: float = 200):
    return DeviceFactsFactory(last_seen_at=NOON - timedelta(seconds=seconds)).device


def evaluate(after_s: float = 0) -> int:
    return services.alerts_evaluate_due(now=NOON + timedelta(seconds=after_s))


def hear(device, after_s: float) -> None:
    DeviceFacts.objects.filter(device=device).update(last_seen_at=NOON + timedelta(seconds=after_s))


def test_the_installation_comes_with_the_rule():
    rule = Rule.objects.get()
    assert (rule.kind, rule.limit, rule.is_enabled) == ("device_silent", 90, True)


def test_a_silent_device_opens_one_alert_that_says_value_and_limit():
    device = silent_device(200)
    assert evaluate() == 1
    assert evaluate(after_s=3) == 0

    alert = Alert.objects.get()
    assert (alert.device, alert.state, alert.value, alert.limit) == (device, "open", 200, 90)


def test_a_device_within_the_limit_opens_none():
    silent_device(90)
    assert evaluate() == 0


def test_a_device_that_was_never_heard_counts_from_its_enrolment():
    DeviceFactory(enrolled_at=NOON - timedelta(seconds=91))
    DeviceFactory(enrolled_at=NOON - timedelta(seconds=10))
    assert evaluate() == 1


@pytest.mark.parametrize("state", ["expected", "quarantined", "decommissioned"])
def test_only_enrolled_devices_are_expected_to_be_heard(state):
    device = silent_device()
    type(device).objects.update(state=state)
    assert evaluate() == 0


def test_an_alert_resolves_itself_when_the_device_is_heard_again():
    device = silent_device(200)
    evaluate()
    hear(device, after_s=100)

    assert evaluate(after_s=101) == 1

    alert = Alert.objects.get()
    assert alert.state == AlertState.RESOLVED
    assert alert.resolution == "Heard again after 5 min."


def test_a_device_that_falls_silent_again_opens_a_new_alert():
    device = silent_device()
    evaluate()
    hear(device, after_s=100)
    evaluate(after_s=101)
    evaluate(after_s=300)
    assert sorted(Alert.objects.values_list("state", flat=True)) == ["open", "resolved"]


def test_an_acknowledged_alert_stays_the_only_one_and_still_resolves_itself():
    device, person = silent_device(), PersonFactory(role=Role.VIEWER)
    evaluate()
    services.alert_acknowledge(alert_id=Alert.objects.get().pk, by=person, now=NOON)
    assert evaluate(after_s=60) == 0
    assert AuditRow.objects.get().verb == "alert_acknowledged"

    hear(device, after_s=70)
    evaluate(after_s=71)
    assert Alert.objects.get().state == AlertState.RESOLVED


def test_an_alert_of_a_device_that_left_is_resolved():
    device = silent_device()
    evaluate()
    type(device).objects.update(state="decommissioned")
    evaluate(after_s=1)
    assert Alert.objects.get().resolution == services.NOT_ENROLLED


def test_acknowledging_twice_is_refused_with_a_sentence():
    silent_device()
    evaluate()
    person, alert_id = PersonFactory(role=Role.ADMIN), Alert.objects.get().pk
    services.alert_acknowledge(alert_id=alert_id, by=person, now=NOON)
    with pytest.raises(Conflict, match="acknowledged already"):
        services.alert_acknowledge(alert_id=alert_id, by=person, now=NOON)
    services.alert_resolve(alert_id=alert_id, by=person, resolution="cable", now=NOON)
    assert Alert.objects.get().resolution == "cable"


def test_a_person_of_another_site_cannot_acknowledge():
    device = silent_device()
    evaluate()
    stranger = PersonFactory(role=Role.VIEWER, role__site_id=device.line.site_id + 1)
    with pytest.raises(Forbidden):
        services.alert_acknowledge(alert_id=Alert.objects.get().pk, by=stranger, now=NOON)


def test_a_rule_that_is_off_opens_nothing():
    silent_device()
    Rule.objects.update(is_enabled=False)
    assert evaluate() == 0


def test_a_hundred_silent_devices_cost_no_more_queries_than_one():
    def queries_of_a_turn() -> int:
        with CaptureQueriesContext(
            connection,
        ) as seen:
            evaluate()
        return len(seen)

    silent_device()
    one = queries_of_a_turn()
    for _ in range(20):
        silent_device()
    assert queries_of_a_turn() == one
    assert Alert.objects.count() == 21
