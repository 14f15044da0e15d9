"""F04 and F05: an update ends at one of its system calls, by a kill or a power cut. Old or new runs, never none.

Sampled; tests/edge_agent/update/test_crashes.py walks all changes inside one process, the drills all system calls.
"""

import os
import random

import pytest

from tests.kit.artifacts import ArtifactRepository
from tests.kit.disks import cuttable_disk, needs_fuse, needs_strace
from tests.kit.fault_records import leave_facts
from tests.kit.fileserver import serving
from tests.kit.update_cuts import UpdateWorld

SEED = int(os.environ.get("F04_SEED", "20271"))
SAMPLE = 4


@pytest.fixture
def world(tmp_path):
    artifacts = ArtifactRepository(tmp_path / "served")
    with serving(tmp_path / "served") as server:
        yield UpdateWorld.made(tmp_path, server, artifacts)


@needs_strace
def test_an_update_killed_at_a_system_call_leaves_the_old_or_the_new_version(world, tmp_path):
    calls = world.calls(world.device(tmp_path / "counted"))
    assert len(calls) > 30, "the trace shows hardly anything"
    answers = []
    for call, number, _ in random.Random(SEED).sample(calls, SAMPLE):
        device = world.device(tmp_path / f"killed-{call}-{number}")
        assert world.kill_at(device, call, number)
        answers.append(world.running_after(device))
    leave_facts("F04", seed=SEED, points=len(calls), answers=answers)
    assert None not in answers


@needs_strace
def test_slots_that_are_empty_for_a_moment_are_caught(world, tmp_path):
    calls = world.calls(world.device(tmp_path / "counted"), "--careless")
    choices = [number for call, number, arguments in calls if call == "rename" and "slots.json" in arguments]
    device = world.device(tmp_path / "killed")
    assert world.kill_at(device, "rename", choices[0], "--careless")
    assert world.running_after(device) is None


@needs_fuse
def test_an_update_whose_supply_is_cut_leaves_the_old_or_the_new_version(world, tmp_path):
    with cuttable_disk(tmp_path / "counted") as disk:
        device = world.device(disk.mount / "device")
        before = disk.change_count()
        assert world.update(device) == 0
        change_count = disk.change_count() - before
    assert change_count > 30
    answers, chance = [], random.Random(SEED)
    for number in chance.sample(range(1, change_count), SAMPLE):
        with cuttable_disk(tmp_path / f"cut-{number}") as disk:
            device = world.device(disk.mount / "device")
            disk.cut_at(number, chance.randrange(2**32))
            assert world.update(device) != 0
            assert disk.is_cut
            disk.again()
            answers.append(world.running_after(device))
    leave_facts("F05", seed=SEED, points=change_count, answers=answers)
    assert None not in answers
