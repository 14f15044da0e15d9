"""F31: a copied device, or one put back from an old image, has the identity of another. The gateway merges none."""

import threading
import time

import pytest
from django.utils import timezone

from apps.devices.models import Device
from apps.devices.services import enrolment_code_issue
from apps.devices.states import Admission
from apps.telemetry.models import Result
from edge_agent.journal.store import Store
from tests.factories.devices import ExpectedDeviceFactory
from tests.kit.agents import AgentProcess, wait_until
from tests.kit.artifacts import ArtifactRepository
from tests.kit.fault_records import leave_facts
from tests.kit.gateway import serving

QUARANTINE_MAX_S = 15.0
"""The longest first pause between two check-ins, and a start."""


@pytest.fixture
def agent(transactional_db, settings, tmp_path):
    settings.TUF_DIR, settings.FILES_DIR = tmp_path / "tuf", tmp_path / "files"
    ArtifactRepository(tmp_path).publish()
    code = enrolment_code_issue(device=ExpectedDeviceFactory(), by=None, now=timezone.now())
    with serving() as url:
        process = AgentProcess(tmp_path / "device", url, code=code)
        yield process
        process.close()


def work(agent, seconds=1.0):
    agent.start()
    threading.Event().wait(seconds)


def wait_until_drained(agent):
    def is_drained():
        store = Store(agent.journal_folder / "journal.db", is_read_only=True)
        try:
            return all(tail.acked_seq == tail.last_seq for tail in store.tails.values())
        finally:
            store.close()

    agent.configure(takt_ms=600_000)
    agent.start()
    wait_until(is_drained, 30)
    agent.kill()
    agent.configure(takt_ms=20)


def is_quarantined():
    return Device.objects.get().state == Admission.QUARANTINED


def stored_items():
    return {result.item: result.seq for result in Result.objects.all()}


def merged(stored, told, told_by_clone):
    """Whether records of both made it into one stream: a silent merge."""
    return bool(stored & {one.item for one in told}) and bool(stored & {one.item for one in told_by_clone})


def test_a_clone_beside_its_original_is_quarantined_and_never_merged(agent, tmp_path):
    work(agent)
    agent.kill()
    wait_until_drained(agent)
    before = set(stored_items())
    clone = agent.cloned(tmp_path / "clone")
    begun_s = time.monotonic()
    try:
        agent.start()
        clone.start()
        wait_until(is_quarantined, QUARANTINE_MAX_S)
        quarantine_s = time.monotonic() - begun_s
    finally:
        agent.kill()
        clone.close()
    new = stored_items().keys() - before
    leave_facts("F31-clone", seed=0, quarantine_s=quarantine_s, new=len(new))
    assert not merged(new, agent.told(), clone.told())
    assert Result.objects.count() == len(stored_items())


def test_a_device_put_back_from_an_old_image_is_quarantined_and_changes_nothing(agent, tmp_path):
    work(agent, 0.3)
    agent.kill()
    image = agent.cloned(tmp_path / "image")
    work(agent, 1.5)
    agent.kill()
    wait_until_drained(agent)
    before = stored_items()
    begun_s = time.monotonic()
    try:
        image.start()
        wait_until(is_quarantined, QUARANTINE_MAX_S)
    finally:
        image.close()
    leave_facts("F31-old-image", seed=0, quarantine_s=time.monotonic() - begun_s)
    assert stored_items() == before


def test_a_device_that_only_starts_again_is_never_quarantined(agent):
    """The other side: the check does not cry at every start."""
    for _ in range(3):
        work(agent, 0.3)
        agent.kill()
    wait_until_drained(agent)
    assert not is_quarantined()


def test_the_check_catches_a_planted_merge(agent, tmp_path):
    work(agent, 0.3)
    agent.kill()
    clone = agent.cloned(tmp_path / "clone")
    work(clone, 0.3)
    clone.kill()
    both = {one.item for one in [*agent.told(), *clone.told()]}
    assert merged(both, agent.told(), clone.told())
    assert not merged({one.item for one in agent.told()}, agent.told(), clone.told())
