"""Journal to cloud, over real HTTP on loopback."""

import time

import pytest

from edge_agent.clock import SystemClock
from edge_agent.cloud import HttpCloud
from edge_agent.identity import Credentials, pending_keys
from edge_agent.journal import ImageFile, Journal
from edge_agent.sync import IMAGE_PIECE_BYTES, Sync
from edge_agent.wire.codec import GENESIS_DIGEST, decode_record
from edge_agent.wire.messages import StreamAck
from edge_agent.wire.records import Alarm, Result, Tombstone
from edge_agent.wire.words import AlarmCode, StreamKind, Verdict
from tests.kit.cloud import FakeCloud
from tests.kit.oracle import compare_journal

INSPECTION, CONTROL = StreamKind.INSPECTION, StreamKind.CONTROL


class Device:
    def __init__(self, folder, url):
        self.folder = folder / "journal"
        self.journal = Journal(self.folder, SystemClock())
        keys = pending_keys(folder, enrolled_key=None)
        self.cloud = HttpCloud(url, credentials=Credentials(keys=keys, subject="device-1"), clock=SystemClock())
        self.sync = Sync(self.cloud, journal=self.journal, interval_s=lambda: 1.0, clock=SystemClock())

    def inspect(self, count, *, image=None):
        images = [image] if image else []
        tickets = [self.journal.submit(result(n), images=images) for n in range(1, count + 1)]
        tickets[-1].wait(30)

    def drain(self):
        """Take turns until there is nothing left to send."""
        while self.sync.turn() == 0.0:
            pass

    def close(self):
        self.journal.close()
        self.cloud.close()


def result(number):
    return Result(at_ms=number, line="line-1", item=f"part-{number}", verdict=Verdict.OK)


@pytest.fixture
def cloud():
    fake = FakeCloud()
    yield fake
    fake.stop()


@pytest.fixture
def device(tmp_path, cloud):
    one = Device(tmp_path, cloud.url)
    yield one
    one.close()


def held(cloud, kind=INSPECTION):
    return [decode_record(body) for stream in cloud.ledger.of_kind(kind) for body in stream.bodies]


def agrees(device, cloud):
    return compare_journal(
        device.folder, {name: stream.bodies for name, stream in cloud.ledger.streams.items()}
    ).are_none


def test_every_record_arrives_once_in_order(device, cloud):
    device.inspect(25)
    device.drain()
    assert [record.at_ms for record in held(cloud)] == list(range(1, 26))
    assert device.journal.backlog().count == 0
    assert agrees(device, cloud)


def test_a_lost_ack_does_not_duplicate(device, cloud):
    device.inspect(10)
    cloud.ledger.lost_replies = 1
    assert device.sync.turn() > 0
    device.journal.append(result(11))
    device.drain()
    assert [record.at_ms for record in held(cloud)] == list(range(1, 12))
    assert sum(stream.repeated_count for stream in cloud.ledger.streams.values()) == 10
    assert agrees(device, cloud)


def test_a_stopped_cloud_is_caught_up_with_exactly(device, cloud):
    device.inspect(5)
    device.drain()
    cloud.stop()
    for number in range(6, 30):
        device.journal.append(result(number))
        assert device.sync.turn() > 0
    cloud.start()
    device.drain()
    assert [record.at_ms for record in held(cloud)] == list(range(1, 30))
    assert agrees(device, cloud)


def test_control_records_overtake_a_backlog_of_inspection(device, cloud):
    device.inspect(2500)
    device.sync.turn()
    device.journal.append(Alarm(at_ms=1, code=AlarmCode.ENGINE_FAULT))
    device.drain()
    assert cloud.ledger.order == [INSPECTION, CONTROL, INSPECTION, INSPECTION]


def test_ten_thousand_records_drain_at_more_than_500_a_second(device, cloud):
    for _ in range(5):
        device.inspect(2000)
    start_s = time.monotonic()
    device.drain()
    passed_s = time.monotonic() - start_s
    assert len(held(cloud)) == 10_000
    assert 10_000 / passed_s > 500
    assert agrees(device, cloud)


def test_a_restored_cloud_gets_again_what_it_lost(device, cloud):
    device.inspect(10)
    device.drain()
    stream = cloud.ledger.of_kind(INSPECTION)[0]
    del stream.bodies[4:], stream.digests[5:]
    device.journal.append(result(11))
    # The real cloud tells its watermark at each check-in.
    for _ in range(2):
        device.journal.acked(StreamAck(stream=next(iter(cloud.ledger.streams)), watermark=4))
    device.drain()
    assert [record.at_ms for record in held(cloud)] == list(range(1, 12))


def test_an_image_goes_in_pieces_after_its_record_and_goes_on_where_it_stopped(device, cloud):
    image = ImageFile.of(bytes(range(256)) * (IMAGE_PIECE_BYTES // 256 * 2 + 9))
    device.inspect(1, image=image)
    device.sync.turn()
    assert cloud.ledger.images == {}
    device.cloud.image_offset(image.sha256)
    device.cloud.image_send(image.sha256, 0, image.encoded[:1000], len(image.encoded))
    device.drain()
    assert cloud.ledger.images[image.sha256].content == image.encoded
    assert device.journal.backlog().images_waiting == 0


def test_an_image_that_nobody_wants_is_left_until_it_is_asked_for(device, cloud):
    image = ImageFile.of(b"x" * 500)
    cloud.ledger.unwanted_images.add(image.sha256)
    device.inspect(1, image=image)
    device.drain()
    assert cloud.ledger.images == {}
    cloud.ledger.unwanted_images.clear()
    device.journal.images_wanted([image.sha256])
    device.drain()
    assert cloud.ledger.images[image.sha256].content == image.encoded


def test_an_image_that_is_none_is_dropped_and_the_next_one_goes(device, cloud):
    junk, good = ImageFile.of(b"junk" * 100), ImageFile.of(b"good" * 100)
    cloud.ledger.refused_images[junk.sha256] = "not_an_image"
    device.inspect(1, image=junk)
    device.inspect(1, image=good)
    device.drain()
    assert cloud.ledger.images[good.sha256].content == good.encoded
    assert not (device.folder / "images" / junk.sha256).exists()
    assert device.journal.backlog().images_waiting == 0


def test_a_missing_image_file_is_told_and_stops_nothing(device, cloud):
    image = ImageFile.of(b"x" * 500)
    device.inspect(3, image=image)
    (device.folder / "images" / image.sha256).unlink()
    device.drain()
    device.drain()
    assert [type(record) for record in held(cloud)] == [Result] * 3 + [Tombstone]


def test_a_stream_with_another_history_is_set_aside_and_the_other_one_goes_on(device, cloud):
    device.inspect(3)
    device.drain()
    stream = cloud.ledger.of_kind(INSPECTION)[0]
    stream.digests = [GENESIS_DIGEST] + ["e" * 32] * 3
    device.journal.append(result(4))
    device.drain()
    assert stream.watermark == 3
    assert [alarm.code for alarm in held(cloud, CONTROL)] == [AlarmCode.JOURNAL_DAMAGED]


def test_waiting_grows_with_each_failure_and_is_different_each_time(device, cloud):
    cloud.stop()
    device.journal.append(result(1))
    waits_s = [device.sync.turn() for _ in range(12)]
    assert len(set(waits_s)) == 12
    assert max(waits_s[:2]) <= 2
    assert max(waits_s) <= 60
