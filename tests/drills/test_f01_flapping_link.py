"""F01 behind a flapping link at full scale: three hundred kills. About 10 minutes; `F01_KILLS` makes it shorter."""

import os

import pytest

from tests.kit.kill_cycles import run_kill_cycles

KILL_COUNT = int(os.environ.get("F01_KILLS", "300"))


@pytest.mark.drill
def test_three_hundred_kills_behind_a_flapping_link_lose_nothing_and_double_nothing(tmp_path):
    seed = int(os.environ.get("F01_SEED", "20267"))
    outcome = run_kill_cycles(tmp_path, seed=seed, kill_count=KILL_COUNT, is_flapping=True)
    assert outcome.agreement.are_none, outcome.agreement
    assert outcome.journal.are_none, outcome.journal
    assert outcome.missing_images == []
