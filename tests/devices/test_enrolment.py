import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from apps.core.errors import Conflict, Wrong
from apps.core.models import AuditRow
from apps.devices import services
from apps.devices.codes import LENGTH, code_hash, new_code
from apps.devices.models import Device, EnrolmentCode
from apps.devices.states import Admission
from edge_agent.wire.messages import Hardware
from tests.factories.devices import DeviceFactory, ExpectedDeviceFactory

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
KEY = "k" * 43


def enrol(code: str, *, public_key: str = KEY, now: datetime = NOW) -> Device:
    return services.device_enrol(
        code=code, public_key=public_key, hardware=Hardware(machine="x86_64"), agent_version="1.0", now=now
    )


def issue(device: Device | None = None) -> str:
    return services.enrolment_code_issue(device=device or ExpectedDeviceFactory(), by=None, now=NOW)


def test_a_code_has_125_bits_and_survives_how_people_type():
    code = new_code()
    assert len(code.replace("-", "")) == LENGTH
    assert code_hash(code) == code_hash(f" {code.lower().replace('-', ' ')} ")
    assert code_hash("O1L") == code_hash("011")


@pytest.mark.django_db
def test_a_code_enrols_its_device_and_is_nowhere_stored_in_the_clear():
    expected = ExpectedDeviceFactory()
    code = issue(expected)
    device = enrol(code)
    assert (device.pk, device.state, device.public_key) == (expected.pk, Admission.ENROLLED, KEY)
    assert device.hardware["machine"] == "x86_64"
    assert EnrolmentCode.objects.get().code_hash != code
    assert AuditRow.objects.filter(verb="device_enrolled", object=f"device:{device.pk}").count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize("spoil", ["unknown", "used", "expired", "key"])
def test_each_refusal_has_its_code_and_an_audit_row_and_changes_nothing(spoil):
    code, key, now, expected_code = issue(), KEY, NOW, ""
    if spoil == "unknown":
        code, expected_code = new_code(), "code_unknown"
    elif spoil == "used":
        enrol(code)
        key, expected_code = "x" * 43, "code_used"
    elif spoil == "expired":
        now, expected_code = NOW + timedelta(minutes=15), "code_expired"
    else:
        key, expected_code = DeviceFactory().public_key, "key_in_use"
    before = list(Device.objects.order_by("pk").values())
    with pytest.raises(Wrong) as refusal:
        enrol(code, public_key=key, now=now)
    assert refusal.value.code == expected_code
    assert AuditRow.objects.get(verb="enrolment_refused").detail["code"] == expected_code
    assert list(Device.objects.order_by("pk").values()) == before


@pytest.mark.django_db
def test_the_same_code_with_the_same_key_gives_the_same_device_because_the_reply_may_have_been_lost():
    code = issue()
    assert enrol(code).pk == enrol(code).pk
    assert AuditRow.objects.filter(verb="device_enrolled").count() == 1


@pytest.mark.django_db
def test_a_new_code_makes_the_unused_one_before_it_worthless():
    device = ExpectedDeviceFactory()
    first, second = issue(device), issue(device)
    with pytest.raises(Wrong) as refusal:
        enrol(first)
    assert refusal.value.code == "code_expired"
    assert enrol(second).pk == device.pk


@pytest.mark.django_db
def test_guesses_cannot_fill_the_audit():
    for _ in range(services.REFUSALS_PER_MINUTE_MAX + 5):
        with pytest.raises(Wrong):
            enrol(new_code())
    assert AuditRow.objects.filter(verb="enrolment_refused").count() == services.REFUSALS_PER_MINUTE_MAX


@pytest.mark.django_db
def test_a_quarantined_device_cannot_come_back_with_a_code():
    device = DeviceFactory()
    code = issue(device)
    services.device_quarantine(device_id=device.pk, reason="cloned", actor="system:test", now=NOW)
    with pytest.raises(Wrong) as refusal:
        enrol(code)
    assert refusal.value.code == "device_quarantined"


@pytest.mark.django_db
def test_no_code_is_issued_for_a_decommissioned_device():
    with pytest.raises(Conflict):
        issue(DeviceFactory(state=Admission.DECOMMISSIONED))


@pytest.mark.django_db(transaction=True)
def test_of_many_devices_with_one_code_exactly_one_enrols():
    code, outcomes = issue(), []
    start = threading.Barrier(6)

    def attempt(number: int) -> None:
        start.wait()
        try:
            enrol(code, public_key=f"{number}" * 43)
            outcomes.append("enrolled")
        except Wrong as exc:
            outcomes.append(exc.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=attempt, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["code_used"] * 5 + ["enrolled"]
