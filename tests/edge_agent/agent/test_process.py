"""Stories of a real device process beside a cloud on loopback."""

import json
import subprocess
import sys

import msgspec
import pytest

from edge_agent.wire.codec import decode_record, encode
from edge_agent.wire.configuration import Configuration, OperationSettings
from edge_agent.wire.messages import Command, DesiredState
from edge_agent.wire.records import CommandAnswer, ConfigurationReported, Health
from edge_agent.wire.words import CommandKind, CommandOutcome, StreamKind, Verdict
from tests.kit.agents import ROOT, AgentProcess, wait_until
from tests.kit.cloud import FakeCloud
from tests.kit.kill_cycles import catch_up, is_in_step
from tests.kit.oracle import compare, compare_journal, inspection_bodies


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


def cli(*arguments):
    return subprocess.run([sys.executable, "-m", "edge_agent", *arguments], cwd=ROOT, capture_output=True, text=True)


def control_records(cloud):
    with cloud.ledger.lock:
        bodies = [body for stream in cloud.ledger.of_kind(StreamKind.CONTROL) for body in stream.bodies]
    return [decode_record(body) for body in bodies]


def test_a_stopped_cloud_stops_nothing_and_is_caught_up_with_exactly(agent, cloud):
    agent.start()
    wait_until(lambda: cloud.ledger.streams, 20)
    cloud.stop()
    told_before = len(agent.told())
    wait_until(lambda: len(agent.told()) > told_before + 40, 20)
    cloud.start()
    wait_until(lambda: is_in_step_soon(agent, cloud), 90)
    agent.stop()
    catch_up(agent, cloud)
    told, bodies = agent.told(), inspection_bodies(cloud.ledger)
    assert compare(told, bodies, kill_count=1).are_none
    assert compare_journal(agent.journal_folder, _bodies(cloud)).are_none
    assert {one.verdict for one in told} == {Verdict.CANNOT_JUDGE}
    assert all(one.is_recorded for one in told)


def is_in_step_soon(agent, cloud):
    """The backlog of the outage is gone, though new records come all the time."""
    told_count = len(agent.told())
    with cloud.ledger.lock:
        held_count = sum(stream.watermark for stream in cloud.ledger.of_kind(StreamKind.INSPECTION))
    return held_count > told_count - 10


def _bodies(cloud):
    return {name: stream.bodies for name, stream in cloud.ledger.streams.items()}


def test_a_pushed_setting_is_applied_and_reported_and_a_command_is_answered(agent, cloud):
    settings = Configuration(operation=OperationSettings(health_interval_s=3600))
    cloud.ledger.desired = DesiredState(
        revision="2",
        checkin_interval_s=1.0,
        server_time_ms=0,
        configuration_revision=2,
        configuration=msgspec.Raw(encode(settings)),
        commands=[Command(command_id="c-1", kind=CommandKind.HEALTH_CHECK, expires_in_s=60)],
    )
    agent.start()
    kinds = (ConfigurationReported, CommandAnswer)
    wait_until(lambda: {type(record) for record in control_records(cloud)} >= set(kinds), 30)
    records = {type(record): record for record in control_records(cloud)}
    assert records[ConfigurationReported].is_applied
    assert records[ConfigurationReported].revision == 2
    assert records[CommandAnswer].outcome is CommandOutcome.SUCCEEDED
    assert "uptime_s" in records[CommandAnswer].text
    assert sum(isinstance(record, Health) for record in control_records(cloud)) <= 1


def test_sigterm_ends_the_agent_within_seconds_with_everything_written(agent, cloud):
    agent.start()
    assert agent.stop() == 0
    agent.configure(takt_ms=600_000)
    agent.start()
    wait_until(lambda: is_in_step(agent, cloud), 30)


def test_two_agents_cannot_share_a_folder(agent):
    agent.start()
    second = cli("run", "--config", str(agent.folder / "agent.toml"))
    assert second.returncode == 2
    assert "another agent" in second.stderr


def test_status_reads_beside_the_running_agent(agent):
    agent.start()
    status = json.loads(cli("status", "--data", str(agent.folder / "data")).stdout)
    assert status["device"] == "Device 1"
    assert {stream["kind"] for stream in status["streams"]} == {"inspection", "control"}


def test_the_doctor_finds_a_cloud_that_is_gone(agent, cloud):
    cloud.stop()
    answer = cli("doctor", "--data", str(agent.folder / "data"))
    assert answer.returncode == 1
    assert "does not answer" in json.loads(answer.stdout)["problems"][0]


def test_a_device_that_is_not_enrolled_says_so(tmp_path):
    (tmp_path / "a.toml").write_text('cloud_url = "http://127.0.0.1:1"\ndata_folder = "d"\n[camera]\nfolder = "i"\n')
    answer = cli("run", "--config", str(tmp_path / "a.toml"))
    assert answer.returncode == 2
    assert "not enrolled" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_enrolling_at_a_cloud_that_is_down_may_be_tried_later(tmp_path):
    answer = cli("enrol", "--cloud", "http://127.0.0.1:9", "--code", "x", "--data", str(tmp_path / "d"))
    assert answer.returncode == 75
    assert "cloud_unreachable" in answer.stderr
