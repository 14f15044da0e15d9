import pytest

from apps.gateway.errors import Busy
from apps.gateway.ingest import SyncJob
from apps.gateway.writer import QUEUE_MAX, Writer
from apps.telemetry.models import Result
from apps.telemetry.services import Reception
from tests.factories.devices import DeviceFactory
from tests.factories.telemetry import Journal


def jobs_of(device, journal: Journal, size: int) -> list[SyncJob]:
    count = len(journal.bodies)
    return [
        SyncJob(str(device.pk), (journal.received(device, first, min(count, first + size - 1)),))
        for first in range(1, count + 1, size)
    ]


@pytest.mark.django_db(transaction=True)
def test_the_jobs_of_one_device_are_committed_in_order_among_those_of_others():
    devices = [(DeviceFactory(), Journal().write_results(20)) for _ in range(3)]
    writer = Writer()
    futures = [writer.submit(job) for device, journal in devices for job in jobs_of(device, journal, 4)]
    writer.start()
    outcomes = [future.result(30)[0] for future in futures]
    writer.stop()
    assert {one.reception for one in outcomes} == {Reception.STORED}
    assert [one.watermark for one in outcomes] == [4, 8, 12, 16, 20] * 3
    assert Result.objects.count() == 60


@pytest.mark.django_db(transaction=True)
def test_what_was_taken_before_the_stop_is_written_and_nothing_is_taken_after():
    device, journal = DeviceFactory(), Journal().write_results(12)
    writer = Writer()
    futures = [writer.submit(job) for job in jobs_of(device, journal, 4)]
    writer.start()
    writer.stop()
    assert [future.result(0)[0].watermark for future in futures] == [4, 8, 12]
    with pytest.raises(Busy):
        writer.submit(SyncJob("x", ()))
    assert not writer.is_alive


def test_a_full_queue_refuses_at_once():
    writer = Writer()
    for _ in range(QUEUE_MAX):
        writer.submit(SyncJob("x", ()))
    assert writer.load_ratio == 1.0
    with pytest.raises(Busy):
        writer.submit(SyncJob("x", ()))


@pytest.mark.django_db(transaction=True)
def test_a_job_nobody_waits_for_any_more_is_not_written():
    device, journal = DeviceFactory(), Journal().write_results(3)
    writer = Writer()
    (job,) = jobs_of(device, journal, 3)
    writer.submit(job).cancel()
    writer.start()
    writer.stop()
    assert not Result.objects.exists()
