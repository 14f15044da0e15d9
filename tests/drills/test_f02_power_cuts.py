"""F02 at full scale: five hundred power cuts. About 20 minutes; `F02_CUTS` makes it shorter."""

import os

import pytest

from tests.kit.disks import needs_fuse
from tests.kit.power_cuts import run_power_cuts

CUT_COUNT = int(os.environ.get("F02_CUTS", "500"))


@needs_fuse
@pytest.mark.drill
def test_five_hundred_power_cuts_lose_nothing_that_was_told(tmp_path):
    outcome = run_power_cuts(tmp_path, seed=int(os.environ.get("F02_SEED", "20265")), cut_count=CUT_COUNT)
    assert outcome.lost_after_cut == []
    assert outcome.integrity == []
    assert outcome.agreement.are_none, outcome.agreement
    assert outcome.journal.are_none, outcome.journal
    assert outcome.missing_images == []
    assert outcome.image_count > 0
    assert outcome.ready_max_s <= 10
