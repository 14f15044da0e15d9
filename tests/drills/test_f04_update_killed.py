"""F04 and F05 at full scale: every system call of an update that changes the disk, killed and cut. About 8 minutes."""

import os
from collections import Counter

import pytest

from tests.kit.artifacts import ArtifactRepository
from tests.kit.disks import cuttable_disk, needs_fuse, needs_strace
from tests.kit.fault_records import leave_facts
from tests.kit.fileserver import serving
from tests.kit.update_cuts import UpdateWorld

SEED = int(os.environ.get("F05_SEED", "20272"))


@pytest.fixture
def world(tmp_path):
    artifacts = ArtifactRepository(tmp_path / "served")
    with serving(tmp_path / "served") as server:
        yield UpdateWorld.made(tmp_path, server, artifacts)


@needs_strace
@pytest.mark.drill
def test_an_update_killed_at_any_system_call_leaves_the_old_or_the_new_version(world, tmp_path):
    calls = world.calls(world.device(tmp_path / "counted"))
    answers = Counter()
    for call, number, _ in calls:
        device = world.device(tmp_path / f"killed-{call}-{number}")
        assert world.kill_at(device, call, number)
        answers[world.running_after(device)] += 1
    leave_facts("F04", seed=0, points=len(calls), answers=dict(answers))
    assert None not in answers


@needs_fuse
@pytest.mark.drill
@pytest.mark.parametrize("keeps_part", [0, 1])
def test_an_update_whose_supply_is_cut_at_any_change_leaves_the_old_or_the_new_version(world, tmp_path, keeps_part):
    with cuttable_disk(tmp_path / "counted") as disk:
        device = world.device(disk.mount / "device")
        before = disk.change_count()
        assert world.update(device) == 0
        change_count = disk.change_count() - before
    answers = Counter()
    for number in range(1, change_count + 1):
        with cuttable_disk(tmp_path / f"cut-{number}") as disk:
            device = world.device(disk.mount / "device")
            disk.cut_at(number, 2 * (SEED + number) + keeps_part)
            world.update(device)
            assert disk.is_cut
            disk.again()
            answers[world.running_after(device)] += 1
    leave_facts("F05", seed=SEED + keeps_part, points=change_count, answers=dict(answers))
    assert None not in answers
