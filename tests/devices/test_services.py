import uuid
from datetime import UTC, datetime, timedelta

import pytest

from apps.core.errors import Conflict, NotFound, Wrong
from apps.core.models import AuditRow
from apps.devices import selectors, services
from apps.devices.models import Command
from apps.devices.states import Admission, CommandState
from edge_agent.wire.configuration import Configuration, InspectionSettings
from edge_agent.wire.words import CommandKind, CommandOutcome
from tests.factories.devices import DeviceFactory, ExpectedDeviceFactory, LineFactory

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def queue(device, **changes) -> Command:
    values = {"device_id": device.pk, "kind": CommandKind.HEALTH_CHECK, "by": None, "now": NOW}
    return services.command_queue(**(values | changes))


def answer(command: Command, outcome=CommandOutcome.SUCCEEDED, **changes) -> bool:
    values = {"device_id": command.device_id, "command_id": str(command.pk), "outcome": outcome, "text": "all well"}
    return services.command_answer(**(values | {"now": NOW} | changes))


def test_a_device_name_is_taken_once():
    line = LineFactory()
    services.device_register(line=line, name="cam-x", actor="system:test")
    with pytest.raises(Conflict) as refusal:
        services.device_register(line=line, name="cam-x", actor="system:test")
    assert refusal.value.code == "name_taken"


def test_quarantine_and_release_are_audited_and_happen_once():
    device = DeviceFactory()
    arguments = {"device_id": str(device.pk), "reason": "cloned", "actor": "system:test", "now": NOW}
    assert services.device_quarantine(**arguments)
    assert not services.device_quarantine(**arguments)
    assert selectors.device_key(device_id=str(device.pk)).state == Admission.QUARANTINED
    assert services.device_release(**arguments)
    verbs = AuditRow.objects.filter(object=f"device:{device.pk}").order_by("id").values_list("verb", flat=True)
    assert list(verbs) == ["device_quarantined", "device_enrolled"]


def test_a_decommissioned_device_stays_so():
    device = DeviceFactory()
    arguments = {"device_id": str(device.pk), "reason": "scrapped", "actor": "system:test", "now": NOW}
    assert services.device_decommission(**arguments)
    assert not services.device_decommission(**arguments)
    assert not services.device_release(**arguments)


def test_an_unknown_device_is_none_and_not_an_error():
    assert selectors.device_key(device_id=str(uuid.uuid4())) is None
    assert selectors.device_key(device_id="'; drop table") is None
    with pytest.raises(NotFound):
        services.device_quarantine(device_id="nonsense", reason="", actor="system:test", now=NOW)


def test_the_highest_configuration_revision_is_desired():
    device = DeviceFactory()
    assert selectors.configuration_desired(device_id=device.pk) == (0, Configuration())
    for takt_ms in (500, 900):
        wanted = Configuration(inspection=InspectionSettings(takt_ms=takt_ms))
        services.configuration_set(device_id=device.pk, configuration=wanted, by=None, reason="test", now=NOW)
    assert selectors.configuration_desired(device_id=device.pk) == (2, wanted)


def test_a_command_comes_again_until_it_is_answered():
    device = DeviceFactory()
    command = queue(device)
    for _ in range(2):
        delivered = services.commands_deliver(device_id=device.pk, now=NOW)
        assert [one.pk for one in delivered] == [command.pk]
    assert answer(command)
    assert services.commands_deliver(device_id=device.pk, now=NOW) == []
    assert not answer(command, CommandOutcome.FAILED)
    command.refresh_from_db()
    assert (command.state, command.answer, command.delivered_at) == (CommandState.SUCCEEDED, "all well", NOW)


def test_another_device_cannot_answer():
    command = queue(DeviceFactory())
    assert not answer(command, device_id=DeviceFactory().pk)
    assert not answer(command, command_id="nonsense")


def test_an_unanswered_command_expires_and_a_late_answer_still_counts():
    device = DeviceFactory()
    command, later = queue(device), NOW + timedelta(minutes=11)
    assert services.commands_deliver(device_id=device.pk, now=later) == []
    assert services.commands_expire_due(now=later) == 1
    assert services.commands_expire_due(now=later + timedelta(minutes=5)) == 0
    assert answer(command, now=later)
    command.refresh_from_db()
    assert command.state == CommandState.SUCCEEDED


def test_a_device_that_is_not_enrolled_takes_no_commands():
    with pytest.raises(Conflict) as refusal:
        queue(ExpectedDeviceFactory())
    assert refusal.value.code == "device_not_enrolled"


def test_a_command_carries_its_arguments_and_the_audit_names_them():
    command = queue(DeviceFactory(), kind=CommandKind.LOGS, arguments={"lines": "20"})
    (delivered,) = services.commands_deliver(device_id=command.device_id, now=NOW)
    assert delivered.arguments == {"lines": "20"}
    assert AuditRow.objects.get(verb="command_queued").detail["arguments"] == {"lines": "20"}


@pytest.mark.parametrize("arguments", [{"a": "x" * 201}, {"x" * 201: "a"}, {str(n): "" for n in range(17)}])
def test_arguments_have_a_bound(arguments):
    with pytest.raises(Wrong):
        queue(DeviceFactory(), arguments=arguments)


def test_a_site_needs_a_time_zone_that_exists():
    with pytest.raises(Wrong) as refusal:
        services.site_create(name="Moon base", time_zone="Moon/Base")
    assert refusal.value.code == "unknown_time_zone"


def test_a_line_that_is_not_there_cannot_be_renamed():
    with pytest.raises(NotFound):
        services.line_change(line_id=0, name="x", product="", by=None)
