"""The agent dies at any change to its disk during an update (F04, at the level of system calls that change files).

Whatever the moment: after the restart the old version runs or the new one, and the update then ends as it should.
"""

import os
import random
import shutil

import pytest

from edge_agent.update.slots import Slots
from tests.kit.handclock import HandClock
from tests.kit.models import tiny_package
from tests.kit.updating import UpdatingDevice, run_for_good

CHANGES = ("fsync", "replace", "rename", "unlink", "mkdir", "rmdir")


class Killed(BaseException):
    """No `except Exception` survives a kill."""


class Executioner:
    """Kills before the n-th change to the disk."""

    def __init__(self, monkeypatch):
        self._monkeypatch = monkeypatch
        self.count = 0
        self.kill_at = None
        for name in CHANGES:
            self._wrap(name)

    def _wrap(self, name):
        real = getattr(os, name)

        def change(*args, **kwargs):
            self.count += 1
            if self.count == self.kill_at:
                raise Killed(name)
            return real(*args, **kwargs)

        self._monkeypatch.setattr(os, name, change)

    def arm(self, kill_at):
        self.count, self.kill_at = 0, kill_at


@pytest.fixture
def world(tmp_path, artifacts, cloud, monkeypatch):
    """(fresh device on which old runs, old, new, executioner)"""
    old = tiny_package(tmp_path, score=0.1, version="old")
    new = tiny_package(tmp_path, score=0.9, version="new")
    artifacts.add(new.offer().target_path, new.content)
    artifacts.publish()
    run_for_good(tmp_path / "template", old)

    def device(**options):
        shutil.rmtree(tmp_path / "device", ignore_errors=True)
        shutil.copytree(tmp_path / "template", tmp_path / "device")
        return UpdatingDevice(tmp_path / "device", cloud=cloud, root=artifacts.root_bytes, clock=HandClock(), **options)

    return device, old, new, Executioner(monkeypatch)


def die_at(device, executioner, offer, kill_at, **line):
    """True when the agent died, False when it was done before its `kill_at`-th change."""
    executioner.arm(kill_at)
    try:
        device.order(offer)
        device.settle(**line)
    except Killed:
        return True
    finally:
        executioner.arm(None)
    return False


def moments(device, executioner, offer, **line):
    executioner.arm(None)
    device.order(offer)
    device.settle(**line)
    return executioner.count


def assert_always_old_or_new(world, *, ends_with, slots_class=Slots, **line):
    make, old, new, executioner = world
    total = moments(make(slots_class=slots_class), executioner, new.offer(), **line)
    assert total > 30, "the executioner sees hardly anything"
    for kill_at in range(1, total + 1):
        device = make(slots_class=slots_class)
        assert die_at(device, executioner, new.offer(), kill_at, **line)
        again = device.restarted()
        assert again.slots.active_digest in (old.digest, new.digest), f"none runs after a kill at change {kill_at}"
        again.order(new.offer())
        again.settle(**line)
        assert again.journal.states[-1] == ends_with, f"kill at change {kill_at}: {again.journal.states}"
    return total


def test_killed_anywhere_the_old_or_the_new_version_runs_and_the_update_is_finished(world):
    assert_always_old_or_new(world, ends_with="confirmed")


def test_killed_anywhere_on_the_way_back_the_old_or_the_new_version_runs_and_the_old_one_at_last(world):
    assert_always_old_or_new(world, ends_with="rolled_back", errors=50)


def test_killed_twice_it_still_holds(world):
    make, old, new, executioner = world
    rng = random.Random(11)
    for _ in range(25):
        device = make()
        for _ in range(2):
            die_at(device, executioner, new.offer(), rng.randrange(1, 60))
            device = device.restarted()
            assert device.slots.active_digest in (old.digest, new.digest)
        device.order(new.offer())
        device.settle()
        assert device.slots.active_digest == new.digest


class CarelessSlots(Slots):
    """The planted bug: the old choice is removed before the new one is there."""

    def _save(self, chosen):
        if self._path.exists():
            self._path.unlink()
        super()._save(chosen)


def test_the_check_catches_slots_that_are_empty_for_a_moment(world):
    with pytest.raises(AssertionError, match="none runs"):
        assert_always_old_or_new(world, ends_with="confirmed", slots_class=CarelessSlots)
