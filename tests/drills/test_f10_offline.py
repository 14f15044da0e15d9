"""F10 at full scale: 72 hours on an injected clock (5 minutes), and a real process for 5 minutes at 50 items/s."""

import os
import threading

import pytest

from tests.kit.agents import AgentProcess
from tests.kit.cloud import FakeCloud
from tests.kit.fault_records import leave_facts
from tests.kit.kill_cycles import catch_up
from tests.kit.offline import run_offline
from tests.kit.oracle import compare, compare_journal, inspection_bodies

HOURS = float(os.environ.get("F10_HOURS", "72"))
PROCESS_S = float(os.environ.get("F10_PROCESS_S", "300"))


@pytest.mark.drill
def test_seventy_two_hours_offline_lose_no_result_and_drain_in_order_within_the_disk_cap(tmp_path):
    outcome = run_offline(tmp_path, hours=HOURS, budget_mb=500, seed=int(os.environ.get("F10_SEED", "20269")))
    assert outcome.result_count == int(HOURS * 3600)
    assert outcome.agreement.are_none, outcome.agreement
    assert outcome.journal.are_none, outcome.journal
    assert outcome.is_in_order
    assert outcome.used_mb <= outcome.budget_mb + 1
    assert outcome.disk_mb <= outcome.budget_mb + 24
    assert outcome.drain_per_s >= 500


@pytest.mark.drill
def test_a_real_process_inspects_offline_and_drains_when_the_cloud_is_back(tmp_path):
    cloud = FakeCloud()
    agent = AgentProcess(tmp_path / "device", cloud.url, takt_ms=20)
    cloud.stop()
    try:
        agent.start()
        threading.Event().wait(PROCESS_S)
        assert agent.stop() == 0
        cloud.start()
        catch_up(agent, cloud)
    finally:
        agent.close()
        cloud.stop()
    told, bodies = agent.told(), inspection_bodies(cloud.ledger)
    findings = compare(told, bodies, kill_count=0)
    leave_facts("F10-process", seed=0, told=len(told), stored=len(bodies), findings=findings)
    assert findings.are_none, findings
    streams = {stream: held.bodies for stream, held in cloud.ledger.streams.items()}
    assert compare_journal(agent.journal_folder, streams).are_none
    assert len(told) > PROCESS_S * 10
