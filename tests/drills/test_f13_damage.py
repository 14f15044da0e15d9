"""F13 at full scale: 500 journals hurt at random places. About a minute."""

import dataclasses
import os
import random
import shutil

import pytest

from tests.kit.fault_records import leave_facts
from tests.kit.journal_damage import hurt_somewhere, open_hurt, write_journals

DAMAGE_COUNT = int(os.environ.get("F13_DAMAGES", "500"))
SEED = int(os.environ.get("F13_SEED", "20270"))


@pytest.mark.drill
def test_five_hundred_damaged_journals_open_and_serve_nothing_false(tmp_path):
    write_journals(tmp_path)
    outcomes = []
    for number in range(DAMAGE_COUNT):
        kind = "closed" if number % 2 else "crashed"
        folder = tmp_path / f"hurt-{number}"
        shutil.copytree(tmp_path / kind, folder)
        how = hurt_somewhere(folder, random.Random(SEED + number))
        opened = open_hurt(folder)
        shutil.rmtree(folder)
        outcomes.append({"kind": kind, "how": how} | dataclasses.asdict(opened))
        assert opened.is_dense, (number, opened)
        assert opened.forged == [], (number, opened)
        assert opened.is_whole_at_next_start, (number, opened)
        assert opened.buried_count <= opened.lost_count, (number, opened)
    set_aside = sum(one["is_set_aside"] for one in outcomes)
    leave_facts("F13", seed=SEED, count=DAMAGE_COUNT, set_aside=set_aside, outcomes=outcomes)
