"""Every command, asked of a real device process over the real protocol, and offered again after its restart."""

import json
import time

import pytest

from edge_agent.wire.codec import decode_record
from edge_agent.wire.messages import Command, DesiredState
from edge_agent.wire.records import CommandAnswer
from edge_agent.wire.words import CommandKind, CommandOutcome, StreamKind
from tests.kit.agents import AgentProcess, wait_until
from tests.kit.cloud import FakeCloud


@pytest.fixture
def cloud():
    fake = FakeCloud()
    yield fake
    fake.stop()


@pytest.fixture
def agent(tmp_path, cloud):
    one = AgentProcess(tmp_path, cloud.url)
    yield one
    one.close()


def command(kind, **arguments):
    return Command(command_id=kind, kind=kind, expires_in_s=600.0, arguments=arguments)


def answers(cloud):
    """By command id, every answer that arrived."""
    found = {}
    with cloud.ledger.lock:
        bodies = [body for stream in cloud.ledger.of_kind(StreamKind.CONTROL) for body in stream.bodies]
    for record in map(decode_record, bodies):
        if isinstance(record, CommandAnswer):
            found.setdefault(record.command_id, []).append(record)
    return found


def test_a_device_answers_each_command_once_over_its_own_restart(agent, cloud):
    grant_ms = int(time.time() * 1000) + 600_000
    cloud.ledger.desired = DesiredState(
        revision="2",
        checkin_interval_s=1.0,
        server_time_ms=0,
        commands=[
            command("logs", lines="50"),
            command("snapshot"),
            command("diagnose", command="kernel", grant_until_ms=str(grant_ms)),
            command("self_test"),
            command("restart"),
        ],
    )
    agent.start()
    wait_until(lambda: agent.has_ended, 60)
    assert agent.stop() == 0
    agent.start()
    wait_until(lambda: len(answers(cloud)) == 5, 60)
    told = answers(cloud)
    assert {name: len(of_one) for name, of_one in told.items()} == dict.fromkeys(told, 1)
    assert "agent_ready" in told["logs"][0].text
    assert json.loads(told["snapshot"][0].text)["jpeg_base64"]
    assert "Linux" in told["diagnose"][0].text
    assert told["restart"][0].outcome is CommandOutcome.SUCCEEDED
    assert (told["self_test"][0].outcome, "no model" in told["self_test"][0].text) == (CommandOutcome.FAILED, True)
    assert not agent.has_ended
    assert set(told) < set(CommandKind)
