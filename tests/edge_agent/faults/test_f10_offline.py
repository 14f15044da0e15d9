"""F10: four hours offline on an injected clock, then everything goes to the cloud, in order, within the disk cap."""

import os

from tests.kit.offline import run_offline

SEED = int(os.environ.get("F10_SEED", "20268"))


def test_four_hours_offline_lose_no_result_and_drain_in_order_within_the_disk_cap(tmp_path):
    outcome = run_offline(tmp_path, hours=4, budget_mb=64, seed=SEED)
    assert outcome.result_count == 14_400
    assert outcome.agreement.are_none, outcome.agreement
    assert outcome.journal.are_none, outcome.journal
    assert outcome.is_in_order
    assert outcome.images_evicted > 0, "the cap was never reached"
    assert outcome.images_evicted + outcome.images_sent == 2_400
    assert outcome.used_mb <= outcome.budget_mb + 1
    assert outcome.disk_mb <= outcome.budget_mb + 24, "beside the budget there is only SQLite's log"
    assert outcome.drain_per_s >= 500


def test_a_device_that_skips_a_record_now_and_then_is_caught(tmp_path):
    assert run_offline(tmp_path, hours=0.1, budget_mb=64, seed=SEED, loses_every=100).agreement.lost
