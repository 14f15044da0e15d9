import time

import pytest
from django.utils import timezone

from apps.devices import services
from apps.devices.models import Command
from apps.devices.states import CommandState
from apps.models.services import repository_create
from apps.telemetry.models import DeviceFacts
from apps.telemetry.selectors import ledger
from edge_agent.wire import paths
from edge_agent.wire.codec import decode
from edge_agent.wire.configuration import Configuration, InspectionSettings
from edge_agent.wire.messages import CheckinRequest, DesiredState, EnrolReply, EnrolRequest, StreamState
from edge_agent.wire.records import CommandAnswer
from edge_agent.wire.words import CommandKind, CommandOutcome, StreamKind
from tests.factories.devices import ExpectedDeviceFactory
from tests.factories.telemetry import Journal
from tests.kit.gateway import SigningDevice, device_at, refusal


def check_in(device: SigningDevice, **changes) -> DesiredState:
    values = {"at_ms": int(time.time() * 1000) + 5_000, "agent_version": "1.2"}
    response = device.post(paths.CHECKIN, CheckinRequest(**(values | changes)))
    assert response.status_code == 200, response.content
    return decode(response.content, DesiredState)


def test_a_device_hears_its_configuration_and_the_same_wishes_have_one_revision(device):
    first = check_in(device)
    assert (first.configuration_revision, first.model, first.commands) == (0, None, [])
    assert check_in(device).revision == first.revision
    wanted = Configuration(inspection=InspectionSettings(takt_ms=500))
    services.configuration_set(device_id=device.id, configuration=wanted, by=None, reason="test", now=timezone.now())
    state = check_in(device)
    assert decode(bytes(state.configuration), Configuration) == wanted
    assert state.configuration_revision == 1
    assert state.revision != first.revision


def test_what_a_device_says_of_itself_is_kept(device):
    journal = Journal()
    streams = [StreamState(stream=journal.stream, kind=StreamKind.INSPECTION, last_seq=40)]
    state = check_in(device, active_digest="a" * 64, configuration_revision=3, streams=streams)
    facts = DeviceFacts.objects.get()
    assert facts.configuration_revision == 3
    assert (facts.active_digest, facts.agent_version) == ("a" * 64, "1.2")
    assert 0 < facts.clock_offset_ms < 60_000
    assert [(ack.stream, ack.watermark) for ack in state.streams] == [(journal.stream, 0)]
    (row,) = ledger()
    assert (row.issued, row.stored, row.lag) == (40, 0, 40)


@pytest.mark.parametrize(
    "changes",
    [
        {"agent_version": "1\x002"},
        {"configuration_revision": 2**64 - 1},
        {"streams": [StreamState(stream="a" * 32, kind=StreamKind.CONTROL, last_seq=2**64 - 1)]},
        {"at_ms": 2**62 - 1},
        {"orders_revision": "\x00"},
    ],
)
def test_a_value_that_no_column_holds_is_never_our_fault(device, changes):
    values = {"at_ms": 0, "agent_version": "1"} | changes
    response = device.post(paths.CHECKIN, CheckinRequest(**values))
    assert response.status_code in (200, 400)
    if response.status_code == 400:
        assert refusal(response).code in ("bad_value", "bad_message")


def test_a_device_cannot_speak_for_anothers_stream(gateway, device):
    journal = Journal().write_results(3)
    device.sync(journal.batch())
    streams = [StreamState(stream=journal.stream, kind=StreamKind.INSPECTION, last_seq=999)]
    assert check_in(device_at(gateway), streams=streams).streams == []
    (row,) = ledger()
    assert row.issued == 3


def test_a_command_goes_out_and_its_answer_comes_back(device):
    services.command_queue(device_id=device.id, kind=CommandKind.HEALTH_CHECK, by=None, now=timezone.now())
    (command,) = check_in(device).commands
    assert 0 < command.expires_in_s <= services.COMMAND_LIFETIME_S
    said = CommandAnswer(at_ms=0, command_id=command.command_id, outcome=CommandOutcome.SUCCEEDED, text="all well")
    device.sync(Journal(StreamKind.CONTROL).write(said).batch())
    assert check_in(device).commands == []
    assert Command.objects.get().state == CommandState.SUCCEEDED


@pytest.fixture
def artifacts():
    repository_create(now=timezone.now())


def enrol(client: SigningDevice, code: str, **changes):
    values = {"code": code, "public_key": client.public_key, "agent_version": "1.2"}
    return client.post(paths.ENROL, EnrolRequest(**(values | changes)))


def expected_with_code() -> tuple:
    device = ExpectedDeviceFactory()
    return device, services.enrolment_code_issue(device=device, by=None, now=timezone.now())


def test_a_newcomer_enrols_with_a_code_and_may_then_speak(gateway, artifacts):
    expected, code = expected_with_code()
    client = SigningDevice(gateway)
    response = enrol(client, code)
    assert response.status_code == 200, response.content
    reply = decode(response.content, EnrolReply)
    assert (reply.device_id, reply.name, reply.line) == (str(expected.pk), expected.name, expected.line.name)
    assert reply.tuf_root
    client.device = expected
    assert check_in(client).configuration_revision == 0


def test_refused_codes_have_stable_codes(gateway, artifacts):
    _, code = expected_with_code()
    first, second = SigningDevice(gateway), SigningDevice(gateway)
    assert refusal(enrol(first, "WRONG-CODE")).code == "code_unknown"
    assert enrol(first, code).status_code == 200
    assert refusal(enrol(second, code)).code == "code_used"
    _, another = expected_with_code()
    assert refusal(enrol(first, another)).code == "key_in_use"


def test_nobody_enrols_a_key_that_he_does_not_hold(gateway, artifacts):
    _, code = expected_with_code()
    victim = SigningDevice(gateway)
    response = enrol(SigningDevice(gateway), code, public_key=victim.public_key)
    assert (response.status_code, refusal(response).code) == (401, "token_invalid")


def test_a_device_whose_key_was_replaced_speaks_with_the_new_one_at_once(device, artifacts):
    check_in(device)
    code = services.enrolment_code_issue(device=device.device, by=None, now=timezone.now())
    successor = SigningDevice(device.url)
    assert enrol(successor, code).status_code == 200
    successor.device = device.device
    assert check_in(successor).configuration_revision == 0
    response = device.post(paths.CHECKIN, CheckinRequest(at_ms=0, agent_version="1.2"))
    assert (response.status_code, refusal(response).code) == (401, "token_invalid")
