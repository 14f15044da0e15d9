"""F12 at full scale: 250,000 records and 5,000 images, as 72 hours without a network leave them. About a minute."""

import pytest

from tests.kit.backlogs import run_start_with_backlog


@pytest.mark.drill
def test_a_start_after_72_hours_offline_costs_hardly_more_than_an_empty_one(tmp_path):
    outcome = run_start_with_backlog(tmp_path, record_count=250_000, image_count=5_000)
    assert outcome.next_seq == 250_001
    assert outcome.ready_s <= 5
    assert outcome.memory_ratio <= 1.2
