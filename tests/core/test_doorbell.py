import threading
from dataclasses import dataclass

import pytest
from django.db import transaction

from apps.core import doorbell as module
from apps.core.doorbell import Doorbell


@dataclass(frozen=True)
class Changed:
    id: int


def test_equal_events_that_wait_become_one():
    bell, heard, gate = Doorbell(), [], threading.Event()
    bell.connect(Changed, lambda event: (gate.wait(5), heard.append(event.id)))
    bell.put(Changed(0))
    for _ in range(50):
        bell.put(Changed(1))
    gate.set()
    assert bell.drain()
    # The first one may already have been in the listener's hands when its equal came.
    assert heard == [0, 1]


def test_a_listener_that_fails_does_not_silence_the_next():
    bell, heard = Doorbell(), []

    def broken(event):
        raise ConnectionError("broker is dead")

    bell.connect(Changed, broken)
    bell.connect(Changed, lambda event: heard.append(event.id))
    bell.put(Changed(1))
    bell.put(Changed(2))
    assert bell.drain()
    assert heard == [1, 2]


def test_a_dead_listener_never_delays_the_ringer(monkeypatch):
    monkeypatch.setattr(module, "QUEUE_MAX", 10)
    bell, gate, heard = Doorbell(), threading.Event(), []
    bell.connect(Changed, lambda event: (gate.wait(5), heard.append(event.id)))
    for number in range(100):
        bell.put(Changed(number))
    gate.set()
    assert bell.drain()
    assert heard[-1] == 99
    assert len(heard) <= 12


@pytest.mark.django_db(transaction=True)
def test_a_ring_comes_after_the_commit_and_never_after_a_rollback():
    heard = []
    module.doorbell.connect(Changed, lambda event: heard.append(event.id))
    with transaction.atomic():
        module.ring(Changed(1))
        assert heard == []
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        module.ring(Changed(2))
        raise ZeroDivisionError
    assert module.doorbell.drain()
    assert heard == [1]
