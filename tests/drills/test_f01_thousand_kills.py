"""F01 at full scale: a thousand kills. About half an hour; `F01_KILLS` makes it shorter."""

import os

import pytest

from tests.kit.kill_cycles import run_kill_cycles

KILL_COUNT = int(os.environ.get("F01_KILLS", "1000"))


@pytest.mark.drill
def test_a_thousand_kills_lose_nothing_and_double_nothing(tmp_path):
    outcome = run_kill_cycles(tmp_path, seed=int(os.environ.get("F01_SEED", "20262")), kill_count=KILL_COUNT)
    print("F01", outcome)  # noqa: T201
    assert outcome.agreement.are_none, outcome.agreement
    assert outcome.journal.are_none, outcome.journal
    assert outcome.missing_images == []
    assert outcome.ready_max_s <= 5
