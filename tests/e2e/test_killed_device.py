"""F01 across both worlds: a real device, killed again and again, and the real gateway with its database."""

import os
import random
import socket
import threading

import pytest
from django.utils import timezone

from apps.devices.services import enrolment_code_issue
from apps.telemetry.models import Result
from apps.telemetry.selectors import ledger
from edge_agent.journal.store import Store
from tests.factories.devices import ExpectedDeviceFactory
from tests.kit.agents import AgentProcess, wait_until
from tests.kit.artifacts import ArtifactRepository
from tests.kit.gateway import serving

SEED = int(os.environ.get("F01_SEED", "20263"))
KILL_COUNT = 8


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def is_drained(agent):
    """Every record is acknowledged."""
    store = Store(agent.journal_folder / "journal.db", is_read_only=True)
    try:
        return all(tail.acked_seq == tail.last_seq for tail in store.tails.values())
    finally:
        store.close()


@pytest.fixture
def agent(transactional_db, settings, tmp_path):
    """A device that is enrolled with a real code at a gateway that comes and goes on one port."""
    settings.TUF_DIR, settings.FILES_DIR = tmp_path / "tuf", tmp_path / "files"
    ArtifactRepository(tmp_path).publish()
    code = enrolment_code_issue(device=ExpectedDeviceFactory(), by=None, now=timezone.now())
    port = free_port()
    with serving(port=port) as url:
        process = AgentProcess(tmp_path / "device", url, code=code)
    process.port = port
    yield process
    process.close()


def test_kills_and_outages_leave_device_and_cloud_in_exact_agreement(agent):
    chance, pause = random.Random(SEED), threading.Event()
    for number in range(KILL_COUNT):
        if number % 3 == 2:
            live_and_die(agent, chance, pause)
            continue
        with serving(port=agent.port):
            live_and_die(agent, chance, pause)
    agent.configure(takt_ms=600_000)
    with serving(port=agent.port):
        agent.start()
        wait_until(lambda: is_drained(agent), 60)
        agent.kill()

    stored = {result.item: (result.seq, result.verdict) for result in Result.objects.all()}
    told = agent.told()
    assert len(told) > KILL_COUNT
    assert Result.objects.count() == len(stored), "an item was counted twice"
    assert [one.item for one in told if stored.get(one.item) != (one.seq, one.verdict)] == []
    assert len(stored.keys() - {one.item for one in told}) <= KILL_COUNT + 1
    assert {(row.gap, row.duplicates, row.lag, row.quarantined) for row in ledger()} == {(0, 0, 0, 0)}


def live_and_die(agent, chance, pause):
    agent.start()
    pause.wait(chance.uniform(0.05, 0.6))
    agent.kill()
