import gzip
import threading
import time

import httpx
import msgspec
import pytest
import zstandard
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.core.models import AuditRow
from apps.defects.models import FlaggedImage
from apps.devices.models import Device
from apps.devices.states import Admission
from apps.gateway.asgi import Limits
from apps.telemetry.models import QuarantinedRecord, Result, Stream
from apps.telemetry.selectors import ledger
from edge_agent.wire import paths, records
from edge_agent.wire.codec import decode, encode
from edge_agent.wire.messages import BODY_BYTES_MAX, SyncReply, SyncRequest
from edge_agent.wire.words import FlagReason
from tests.factories.telemetry import Journal, result
from tests.kit.gateway import acks, device_at, refusal, serving


def flagged(number: int = 1, **changes) -> records.Result:
    image = records.ImageKept(sha256=f"{number:064x}", size_bytes=9, reason=FlagReason.LOW_CONFIDENCE)
    return result(number, image=image, **changes)


def test_a_batch_is_stored_acknowledged_and_accounted_for(device):
    journal = Journal().write_results(50)
    assert acks(device.sync(journal.batch())) == {journal.stream: 50}
    (row,) = ledger()
    assert (row.issued, row.stored, row.gap, row.duplicates, row.lag) == (50, 50, 0, 0, 0)


def test_a_lost_ack_and_another_cut_do_not_duplicate(device):
    journal = Journal().write_results(20)
    device.sync(journal.batch(1, 12))
    assert acks(device.sync(journal.batch(1, 12))) == {journal.stream: 12}
    assert acks(device.sync(journal.batch(7, 20))) == {journal.stream: 20}
    (row,) = ledger()
    assert (row.stored, row.duplicates, row.resent) == (20, 0, 18)


def test_a_gap_is_answered_with_the_watermark(device):
    journal = Journal().write_results(9)
    device.sync(journal.batch(1, 2))
    assert acks(device.sync(journal.batch(5, 9))) == {journal.stream: 2}
    assert Result.objects.count() == 2


def test_another_devices_stream_is_refused(gateway, device):
    journal = Journal().write_results(4)
    device.sync(journal.batch(1, 2))
    response = device_at(gateway).sync(journal.batch(3, 4))
    assert (response.status_code, refusal(response).code) == (403, "stream_foreign")
    assert Result.objects.count() == 2


def test_a_cloned_journal_is_refused_and_its_device_quarantined(device):
    journal = Journal().write_results(3)
    clone = journal.copy().write(result(99))
    journal.write_results(1)
    device.sync(journal.batch())
    response = device.sync(clone.batch(4))
    assert (response.status_code, refusal(response).code) == (409, "digest_mismatch")
    assert Device.objects.get().state == Admission.QUARANTINED
    assert AuditRow.objects.filter(verb="device_quarantined").count() == 1


def test_an_unknown_record_kind_does_not_block_the_stream(device):
    journal = Journal().write(result(1), b"\x81\xa4type\xa7unheard", result(3))
    assert acks(device.sync(journal.batch())) == {journal.stream: 3}
    assert (Result.objects.count(), QuarantinedRecord.objects.get().seq) == (2, 2)


def test_a_record_that_the_database_refuses_is_set_aside_alone(device):
    """A NUL passes the wire and no column takes it: found by trying the group, then the batch, then the record."""
    journal = Journal().write(flagged(1), flagged(2, item="a\x00b"), flagged(3))
    assert acks(device.sync(journal.batch())) == {journal.stream: 3}
    assert list(Result.objects.order_by("seq").values_list("seq", flat=True)) == [1, 3]
    assert list(FlaggedImage.objects.order_by("seq").values_list("seq", flat=True)) == [1, 3]
    assert QuarantinedRecord.objects.get().seq == 2
    assert acks(device.sync(journal.write_results(1).batch(4))) == {journal.stream: 4}


def test_flags_come_with_their_rows_and_their_images_are_asked_for(device):
    journal = Journal().write(flagged(1), result(2), flagged(3))
    reply = decode(device.sync(journal.batch()).content, SyncReply)
    assert sorted(reply.images_wanted) == [f"{1:064x}", f"{3:064x}"]
    device.sync(journal.batch())
    assert FlaggedImage.objects.count() == 2


@pytest.mark.parametrize("encoding", ["zstd", "gzip"])
def test_bodies_may_be_compressed(device, encoding):
    journal = Journal().write_results(100)
    plain = encode(SyncRequest(batches=[journal.batch()]))
    body = zstandard.compress(plain) if encoding == "zstd" else gzip.compress(plain)
    response = device.request("POST", paths.SYNC, body, headers={"Content-Encoding": encoding})
    assert acks(response) == {journal.stream: 100}


def test_a_compressed_bomb_is_refused_by_what_it_unpacks_to(device):
    bomb = zstandard.compress(b"\x00" * (BODY_BYTES_MAX + 1))
    response = device.request("POST", paths.SYNC, bomb, headers={"Content-Encoding": "zstd"})
    assert (response.status_code, refusal(response).code) == (413, "body_too_large")


BAD_BODIES = [
    (b"garbage", "", 400, "bad_message"),
    (b"", "", 400, "bad_message"),
    (b"\xdd\xff\xff\xff\xff", "", 400, "bad_message"),
    (b"\x91" * 5000, "", 400, "bad_message"),
    (b"not zstd", "zstd", 400, "bad_encoding"),
    (zstandard.compress(bytes(range(256)))[:50], "zstd", 400, "bad_message"),
    (b"\x1f\x8b\x08", "gzip", 400, "bad_encoding"),
    (b"x", "br", 415, "unknown_encoding"),
    (b"x" * (BODY_BYTES_MAX + 1), "", 413, "body_too_large"),
]


def test_a_bad_body_has_a_stable_code(device):
    for body, encoding, status, code in BAD_BODIES:
        headers = {"Content-Encoding": encoding} if encoding else {}
        response = device.request("POST", paths.SYNC, body, headers=headers)
        assert (response.status_code, refusal(response).code) == (status, code), body[:20]


def test_wrong_paths_and_methods_have_stable_codes(device):
    assert refusal(device.request("GET", "/device/v2/sync")).code == "not_found"
    response = device.request("GET", paths.SYNC)
    assert (response.status_code, refusal(response).code) == (405, "method_not_allowed")


def test_a_slow_body_is_cut_off(device):
    def drops():
        yield b"x"
        time.sleep(1.5)
        yield b"y"

    headers = {"Authorization": f"Device {device.token('POST', paths.SYNC, b'xy')}"}
    response = httpx.post(device.url + paths.SYNC, content=drops(), headers=headers, timeout=30)
    assert (response.status_code, refusal(response).code) == (408, "body_too_slow")


WORDS = ["batches", "stream", "kind", "first_seq", "items", "at_ms", "code", "public_key", "agent_version"]
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(),
    st.text(max_size=20),
    st.binary(max_size=20),
)
SHAPES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=5),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=200) | SHAPES.map(msgspec.msgpack.encode))
@pytest.mark.parametrize("path", [paths.SYNC, paths.CHECKIN])
def test_garbage_is_refused_and_never_our_fault(device, path, body):
    assert device.request("POST", path, body).status_code in (200, 400)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(items=st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=5), mark=st.integers(0, 2**64))
def test_whatever_a_record_holds_its_stream_goes_on(device, items, mark):
    bodies = [msgspec.msgpack.encode(item) for item in items]
    journal = Journal().write(*bodies)
    assert acks(device.sync(journal.batch())) == {journal.stream: len(bodies)}


def test_a_lost_database_connection_is_503_and_the_retry_loses_nothing(device):
    journal = Journal().write_results(30)
    device.sync(journal.batch(1, 10))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    statuses = []
    for _ in range(10):
        response = device.sync(journal.batch(11, 30))
        statuses.append(response.status_code)
        if response.status_code == 200:
            break
        assert refusal(response).retry_after_s
    assert set(statuses) <= {200, 503}
    assert acks(response) == {journal.stream: 30}
    (row,) = ledger()
    assert (row.stored, row.gap, row.duplicates) == (30, 0, 0)


def test_while_the_table_is_locked_devices_are_told_to_come_again(transactional_db):
    with serving(Limits(store_timeout_s=1.0)) as url:
        _lock_story(device_at(url))


def _lock_story(device):
    journal = Journal().write_results(5)
    device.sync(journal.batch(1, 2))
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("LOCK TABLE telemetry_stream IN ACCESS EXCLUSIVE MODE")
            held.set()
            release.wait(30)
        connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(10)
    try:
        response = device.sync(journal.batch(3, 5))
        assert (response.status_code, refusal(response).code) == (503, "database_slow")
    finally:
        release.set()
        holder.join()
    assert acks(device.sync(journal.batch(3, 5))) == {journal.stream: 5}
    assert Result.objects.count() == 5


def test_a_stopped_gateway_loses_nothing_that_it_acknowledged(transactional_db):
    journal = Journal().write_results(60)
    with serving() as url:
        device = device_at(url)
        acknowledged = acks(device.sync(journal.batch(1, 30)))[journal.stream]
    with serving() as url:
        device.url = url
        assert Stream.objects.get().watermark == acknowledged == 30
        assert acks(device.sync(journal.batch(25, 60))) == {journal.stream: 60}
    assert Result.objects.count() == 60
