"""F02: the supply of a device is cut at random moments. What the line was told is there when it is back."""

import os

from tests.kit.disks import needs_fuse
from tests.kit.power_cuts import run_power_cuts, run_without_a_cloud

pytestmark = needs_fuse
SEED = int(os.environ.get("F02_SEED", "20264"))


def test_eight_power_cuts_lose_nothing_that_was_told(tmp_path):
    outcome = run_power_cuts(tmp_path, seed=SEED, cut_count=8)
    assert outcome.lost_after_cut == []
    assert outcome.integrity == []
    assert outcome.agreement.are_none, outcome.agreement
    assert outcome.journal.are_none, outcome.journal
    assert outcome.missing_images == []
    assert outcome.image_count > 0
    assert outcome.told_count > outcome.cut_count


def test_commits_that_are_not_synced_are_lost_by_a_cut(tmp_path):
    """What `kill -9` never shows."""
    outcome = run_without_a_cloud(tmp_path, seed=SEED, cut_count=2, module="tests.kit.unsynced_agent")
    assert outcome.lost_after_cut
