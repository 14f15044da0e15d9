from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.core.models import AuditRow
from apps.devices.models import Device
from apps.devices.services import command_queue
from apps.devices.states import Admission, CommandState
from apps.telemetry.models import ControlRecord, DeviceFacts, QuarantinedRecord, Result, Stream, Window
from apps.telemetry.selectors import ledger
from apps.telemetry.services import Reception, batches_store, cut_singly, set_aside
from edge_agent.contract.sketches import QuantileSketch
from edge_agent.wire import records as wire
from edge_agent.wire.words import AlarmCode, CommandKind, CommandOutcome, StreamKind, UpdateState, Verdict
from tests.factories.devices import DeviceFactory
from tests.factories.telemetry import NOON_MS, Journal, result

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def store(*received, now: datetime = NOW):
    return batches_store(received=received, now=now)


def sequences(journal: Journal) -> list[int]:
    return list(Result.objects.filter(stream_id=journal.stream).order_by("seq").values_list("seq", flat=True))


def test_rows_and_watermark_are_stored_together():
    device, journal = DeviceFactory(), Journal().write_results(3)
    (outcome,) = store(journal.received(device))
    assert (outcome.reception, outcome.watermark) == (Reception.STORED, 3)
    assert sequences(journal) == [1, 2, 3]
    stream = Stream.objects.get()
    assert (stream.watermark, stream.digest, stream.issued) == (3, journal.digests[3], 3)
    assert [one.seq for one in outcome.results] == [1, 2, 3]


def test_every_field_of_a_result_arrives():
    image = wire.ImageKept(sha256="b" * 64, size_bytes=9, reason="low_confidence", selection_ratio=0.5)
    sent = result(
        1,
        product="P",
        lot="L",
        label="crack",
        verdict=Verdict.DEFECT,
        image=image,
        source="c" * 64,
        is_time_trusted=False,
    )
    journal, device = Journal().write(sent), DeviceFactory()
    store(journal.received(device))
    row = Result.objects.get()
    assert (row.device_id, row.product, row.lot, row.label, row.verdict) == (device.pk, "P", "L", "crack", "defect")
    assert (row.image_sha256, row.flag_reason, row.selection_ratio) == ("b" * 64, "low_confidence", 0.5)
    assert (row.score_ratio, row.threshold_ratio, row.infer_ms, row.total_ms) == (0.1, 0.5, 9.0, 20.0)
    assert row.at == datetime.fromtimestamp(sent.at_ms / 1000, UTC)
    assert (row.arrived_at, row.arrived_on, row.is_in_time, row.is_time_trusted) == (NOW, NOW.date(), True, False)
    assert (row.model_digest, row.cannot_judge, row.source) == ("a" * 64, None, "c" * 64)


def test_a_second_send_changes_nothing():
    device, journal = DeviceFactory(), Journal().write_results(3)
    store(journal.received(device))
    (again,) = store(journal.received(device), now=NOW + timedelta(days=1))
    assert (again.reception, again.watermark, again.results) == (Reception.KNOWN, 3, ())
    assert sequences(journal) == [1, 2, 3]
    assert Stream.objects.get().duplicate_count == 3


def test_a_lost_ack_and_another_cut_do_not_duplicate():
    device, journal = DeviceFactory(), Journal().write_results(10)
    store(journal.received(device, 1, 6))
    (outcome,) = store(journal.received(device, 4, 10))
    assert (outcome.reception, outcome.watermark) == (Reception.STORED, 10)
    assert [one.seq for one in outcome.results] == [7, 8, 9, 10]
    assert sequences(journal) == list(range(1, 11))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12)), min_size=1, max_size=8))
def test_in_whatever_pieces_and_order_records_come_each_is_stored_once(cuts):
    device, journal = DeviceFactory(), Journal().write_results(12)
    for first, last in cuts:
        if first <= last:
            store(journal.received(device, first, last))
    stream = Stream.objects.filter(pk=journal.stream).first()
    watermark = stream.watermark if stream else 0
    assert sequences(journal) == list(range(1, watermark + 1))
    store(journal.received(device))
    assert sequences(journal) == list(range(1, 13))


def test_a_gap_is_refused_with_the_watermark_and_stores_nothing():
    device, journal = DeviceFactory(), Journal().write_results(9)
    store(journal.received(device, 1, 3))
    (outcome,) = store(journal.received(device, 6, 9))
    assert (outcome.reception, outcome.watermark) == (Reception.GAP, 3)
    assert sequences(journal) == [1, 2, 3]


def test_a_stream_that_begins_with_a_gap_leaves_no_trace():
    (outcome,) = store(Journal().write_results(9).received(DeviceFactory(), 5, 9))
    assert (outcome.reception, outcome.watermark) == (Reception.GAP, 0)
    assert not Stream.objects.exists()


def test_the_stream_of_another_device_is_refused_and_untouched():
    owner, thief = DeviceFactory(), DeviceFactory()
    journal = Journal().write_results(4)
    store(journal.received(owner, 1, 2))
    (outcome,) = store(journal.received(thief, 3, 4))
    assert outcome.reception is Reception.FOREIGN
    assert sequences(journal) == [1, 2]
    assert Device.objects.get(pk=thief.pk).state == Admission.ENROLLED


def test_a_stream_does_not_change_its_kind():
    device, journal = DeviceFactory(), Journal().write_results(4)
    store(journal.received(device, 1, 2))
    journal.kind = StreamKind.CONTROL
    (outcome,) = store(journal.received(device, 3, 4))
    assert outcome.reception is Reception.FOREIGN


@pytest.mark.parametrize("first_seq", [1, 3, 4])
def test_a_cloned_journal_is_found_at_its_first_batch_and_its_device_quarantined(first_seq):
    device, journal = DeviceFactory(), Journal().write_results(3)
    clone = journal.copy().write(result(77)).write_results(2)
    journal.write_results(1)
    store(journal.received(device))
    (outcome,) = store(clone.received(device, first_seq))
    assert (outcome.reception, outcome.watermark) == (Reception.MISMATCH, 4)
    assert sequences(journal) == [1, 2, 3, 4]
    assert Device.objects.get().state == Admission.QUARANTINED
    assert AuditRow.objects.filter(verb="device_quarantined", actor="system:ingest").count() == 1


def test_a_batch_whose_own_digests_disagree_is_refused():
    device, journal = DeviceFactory(), Journal().write_results(3)
    journal.digests[3] = "f" * 32
    (outcome,) = store(journal.received(device))
    assert outcome.reception is Reception.MISMATCH
    assert not Result.objects.exists()


def test_a_record_of_an_unknown_kind_is_set_aside_alone_and_the_stream_goes_on():
    device, journal = DeviceFactory(), Journal()
    journal.write(result(1), b"\x81\xa4type\xa7unheard", b"\xc1 garbage", result(4))
    (outcome,) = store(journal.received(device))
    assert outcome.watermark == 4
    assert sequences(journal) == [1, 4]
    assert [(row.seq, bytes(row.body)) for row in QuarantinedRecord.objects.order_by("seq")] == [
        (2, b"\x81\xa4type\xa7unheard"),
        (3, b"\xc1 garbage"),
    ]


def test_a_window_whose_sketch_cannot_be_merged_is_set_aside():
    wrong = wire.Sketch(relative_error=0.5, buckets={1: 1})
    window = wire.Window(start_ms=NOON_MS, duration_s=60, line="L1", total_ms=wrong)
    store(Journal().write(window).received(DeviceFactory()))
    assert not Window.objects.exists()
    assert QuarantinedRecord.objects.get().reason.startswith("a sketch")


@pytest.mark.parametrize("at_ms", [-(2**62), 0, 2**62 - 1])
def test_a_wrong_device_clock_breaks_nothing(at_ms):
    store(Journal().write(result(1, at_ms=at_ms)).received(DeviceFactory()))
    assert Result.objects.get().arrived_on == NOW.date()


def test_one_by_one_a_batch_gives_the_same_rows_and_watermark():
    device, journal = DeviceFactory(), Journal().write_results(5)
    for single in cut_singly(journal.received(device)):
        store(single)
    assert sequences(journal) == [1, 2, 3, 4, 5]
    assert Stream.objects.get().digest == journal.digests[5]


def test_what_was_set_aside_counts_as_stored():
    device, journal = DeviceFactory(), Journal().write_results(2)
    (outcome,) = store(set_aside(journal.received(device), "too strange"))
    assert outcome.watermark == 2
    (row,) = ledger()
    assert (row.stored, row.gap, row.quarantined, row.is_sound) == (2, 0, 2, True)


def test_two_batches_of_one_stream_in_one_request_follow_each_other():
    device, journal = DeviceFactory(), Journal().write_results(6)
    outcomes = store(journal.received(device, 1, 3), journal.received(device, 4, 6))
    assert [one.watermark for one in outcomes] == [3, 6]


def test_many_devices_cost_the_statements_of_one():
    def statements(device_count: int) -> int:
        batches = [Journal().write_results(2).received(DeviceFactory()) for _ in range(device_count)]
        with CaptureQueriesContext(
            connection,
        ) as queries:
            store(*batches)
        return len(queries)

    store(Journal().write_results(1).received(DeviceFactory()))
    assert statements(20) == statements(1)


def test_the_facts_follow_the_last_report():
    device, journal = DeviceFactory(), Journal(StreamKind.CONTROL)
    journal.write(
        wire.Health(at_ms=NOON_MS, uptime_s=5.0, disk_used_ratio=0.4, backlog_count=7),
        wire.UpdateStep(
            at_ms=NOON_MS, target_id=3, version_digest="d" * 64, state=UpdateState.CONFIRMED, running_digest="d" * 64
        ),
        wire.ConfigurationReported(at_ms=NOON_MS, revision=2, is_applied=False, reason="takt_ms"),
        wire.Alarm(at_ms=NOON_MS, code=AlarmCode.CAMERA_FAULT),
        wire.Tombstone(at_ms=NOON_MS, lost_kind="image", count=1, reason="disk budget spent"),
    )
    store(journal.received(device))
    facts = DeviceFacts.objects.get()
    assert (facts.health["disk_used_ratio"], facts.backlog_count, facts.health_at) == (0.4, 7, NOW)
    assert (facts.update_state, facts.active_digest, facts.digest_since) == ("confirmed", "d" * 64, NOW)
    assert (facts.configuration_refused, facts.last_seen_at) == ("revision 2: takt_ms", NOW)
    kinds = list(ControlRecord.objects.order_by("seq").values_list("kind", flat=True))
    assert kinds == ["health", "update_step", "configuration_reported", "alarm", "tombstone"]


def test_a_command_answer_closes_its_command():
    device = DeviceFactory()
    command = command_queue(device_id=device.pk, kind=CommandKind.HEALTH_CHECK, by=None, now=NOW)
    said = wire.CommandAnswer(
        at_ms=NOON_MS, command_id=str(command.pk), outcome=CommandOutcome.SUCCEEDED, text="all well"
    )
    store(Journal(StreamKind.CONTROL).write(said).received(device))
    command.refresh_from_db()
    assert (command.state, command.answer) == (CommandState.SUCCEEDED, "all well")


def test_a_window_is_kept_with_sketches_that_merge():
    sketch = QuantileSketch()
    for value in (10.0, 20.0, 30.0):
        sketch.add(value)
    window = wire.Window(
        start_ms=NOON_MS, duration_s=60, line="L1", verdict_counts={Verdict.OK: 3}, total_ms=sketch.to_wire()
    )
    store(Journal().write(window).received(DeviceFactory()))
    row = Window.objects.get()
    assert row.verdict_counts == {"ok": 3}
    assert row.total_sketch["buckets"]


def test_an_empty_batch_is_an_ack_of_what_is_there():
    device, journal = DeviceFactory(), Journal().write_results(2)
    store(journal.received(device))
    journal.digests.append("")
    empty = journal.received(device, 3, 2)
    (outcome,) = store(empty)
    assert (outcome.reception, outcome.watermark) == (Reception.KNOWN, 2)
