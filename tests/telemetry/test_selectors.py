import json
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.accounts.selectors import EVERYWHERE, Scope
from apps.devices.states import Shown
from apps.telemetry import selectors
from apps.telemetry.models import Result, Stream
from apps.telemetry.services import batches_store, checkin_store, partitions_due
from apps.telemetry.services.partitions import DAYS_AHEAD
from edge_agent.wire import records as wire
from edge_agent.wire.messages import CheckinRequest, StreamState
from edge_agent.wire.words import CannotJudge, StreamKind, UpdateState, Verdict
from tests.factories.devices import DeviceFactory
from tests.factories.telemetry import (
    NOON_MS,
    DeviceFactsFactory,
    Journal,
    StreamFactory,
    WindowFactory,
    result,
    sketch_of,
)

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def store(device, journal, now=NOW):
    return batches_store(received=[journal.received(device)], now=now)


def test_the_fleet_costs_four_queries_for_any_number_of_devices():
    for _ in range(12):
        device = DeviceFactory()
        DeviceFactsFactory(device=device, last_seen_at=NOW)
        WindowFactory(device=device)
    with CaptureQueriesContext(connection) as queries:
        assert len(selectors.fleet(scope=EVERYWHERE, now=NOW)) == 12
    assert len(queries) == 4


def test_the_fleet_ends_at_a_persons_sites():
    mine, other = DeviceFactory(), DeviceFactory()
    scope = Scope(is_all=False, site_ids=frozenset({mine.line.site_id}))
    assert [one.name for one in selectors.fleet(scope=scope, now=NOW)] == [mine.name]
    assert other.line.site_id not in scope.site_ids


def test_a_device_now_sums_its_last_ten_minutes():
    device = DeviceFactory()
    DeviceFactsFactory(device=device, last_seen_at=NOW, last_item_at=NOW, active_digest="a" * 64)
    for minute in (1, 2):
        WindowFactory(
            device=device,
            start=NOW - timedelta(minutes=minute),
            verdict_counts={"ok": 70, "defect": 4, "cannot_judge": 1},
            total_sketch=sketch_of(*[20.0] * 95, *[100.0] * 5),
        )
    WindowFactory(device=device, start=NOW - timedelta(minutes=15), verdict_counts={"ok": 999})
    now = selectors.device_now(device_id=device.pk, now=NOW)
    assert (now.recent.ok_count, now.recent.defect_count, now.recent.cannot_judge_count) == (140, 8, 2)
    assert now.recent.items_per_min == pytest.approx(75.0)
    assert now.recent.total.p50_ms == pytest.approx(20.0, rel=0.02)
    assert now.recent.total.p99_ms == pytest.approx(100.0, rel=0.02)
    assert now.shown is Shown.INSPECTING


def test_a_device_whose_first_model_just_arrived_is_not_blamed_for_the_time_before():
    device = DeviceFactory()
    DeviceFactsFactory(device=device, last_seen_at=NOW, last_item_at=NOW, active_digest="a" * 64)
    idle = {"model_digest": None, "verdict_counts": {"cannot_judge": 300}}
    WindowFactory(device=device, start=NOW - timedelta(minutes=3), **idle)
    WindowFactory(device=device, start=NOW - timedelta(minutes=1), verdict_counts={"ok": 70, "cannot_judge": 2})
    now = selectors.device_now(device_id=device.pk, now=NOW)
    assert (now.shown, now.recent.no_model_count) == (Shown.INSPECTING, 300)
    WindowFactory(device=device, start=NOW - timedelta(seconds=30), verdict_counts={"cannot_judge": 70})
    assert selectors.device_now(device_id=device.pk, now=NOW).shown is Shown.DEGRADED


def test_what_is_caught_up_after_an_outage_is_not_now():
    device = DeviceFactory()
    WindowFactory(device=device, start=NOW - timedelta(hours=5), arrived_at=NOW)
    assert selectors.device_now(device_id=device.pk, now=NOW).recent.item_count == 0


def test_the_strip_has_24_hours_and_the_current_one_last():
    device = DeviceFactory()
    WindowFactory(device=device, start=NOW + timedelta(minutes=3), verdict_counts={"ok": 5})
    WindowFactory(device=device, start=NOW - timedelta(hours=22), verdict_counts={"defect": 2})
    strip = selectors.device_now(device_id=device.pk, now=NOW + timedelta(minutes=10)).strip
    assert len(strip) == 24
    assert (strip[-1].start, strip[-1].ok_count, strip[1].defect_count) == (NOW, 5, 2)
    assert sum(hour.ok_count + hour.defect_count for hour in strip) == 7


def test_a_device_that_was_never_heard_of_is_shown_all_the_same():
    now = selectors.device_now(device_id=DeviceFactory().pk, now=NOW)
    assert (now.shown, now.recent.item_count, now.facts.last_seen_at) == (Shown.UNKNOWN, 0, None)


def test_windows_and_quantiles_of_one_device():
    device = DeviceFactory()
    for minute in range(3):
        WindowFactory(device=device, start=NOW + timedelta(minutes=minute), total_sketch=sketch_of(10.0 * (minute + 1)))
    WindowFactory()
    points = selectors.windows(device_id=device.pk, since=NOW, until=NOW + timedelta(minutes=2))
    assert [point.total.p50_ms for point in points] == pytest.approx([10.0, 20.0], rel=0.02)
    assert points[0].ok_count == 70
    latency = selectors.quantiles(device_id=device.pk, since=NOW)
    assert latency.p50_ms == pytest.approx(20.0, rel=0.02)


def test_update_steps_go_on_from_the_last_one_seen():
    device, journal = DeviceFactory(), Journal(StreamKind.CONTROL)
    for state in (UpdateState.OFFERED, UpdateState.TRIAL, UpdateState.CONFIRMED):
        journal.write(wire.UpdateStep(at_ms=NOON_MS, target_id=5, version_digest="d" * 64, state=state))
    store(device, journal)
    steps = selectors.update_steps(device_ids=[device.pk])
    assert [one.step.state for one in steps] == [UpdateState.OFFERED, UpdateState.TRIAL, UpdateState.CONFIRMED]
    later = selectors.update_steps(device_ids=[str(device.pk)], since_id=steps[1].id)
    assert [one.step.state for one in later] == [UpdateState.CONFIRMED]
    assert selectors.update_steps(device_ids=[DeviceFactory().pk]) == []


def test_model_facts_are_counted_from_the_results_of_that_version():
    device = DeviceFactory()
    failed = {"verdict": Verdict.CANNOT_JUDGE, "cannot_judge": CannotJudge.ENGINE_ERROR}
    journal = Journal().write(
        result(1),
        result(2, verdict=Verdict.DEFECT),
        result(3, **failed),
        result(4, timing=wire.Timing(total_ms=500.0, is_in_time=False)),
        result(5, model_digest="b" * 64),
    )
    store(device, journal)
    facts = selectors.model_facts(device_ids=[device.pk], digest="a" * 64, since=NOW)
    assert (facts.item_count, facts.error_count, facts.cannot_judge_count) == (4, 1, 1)
    assert (facts.defect_count, facts.late_count) == (1, 1)
    assert facts.p95_ms == pytest.approx(428.0)
    later = selectors.model_facts(device_ids=[device.pk], digest="a" * 64, since=NOW + timedelta(seconds=1))
    assert (later.item_count, later.p95_ms) == (0, None)


def test_the_ledger_tells_what_is_still_on_the_device():
    device, journal = DeviceFactory(), Journal().write_results(5)
    store(device, journal)
    states = [StreamState(stream=journal.stream, kind=StreamKind.INSPECTION, last_seq=9)]
    checkin_store(device_id=str(device.pk), request=CheckinRequest(at_ms=0, agent_version="1", streams=states), now=NOW)
    (row,) = selectors.ledger()
    assert (row.issued, row.stored, row.gap, row.lag, row.is_sound) == (9, 5, 0, 4, True)
    assert "4 still on the devices" in ledger_text()


def test_the_ledger_of_every_kind_of_record_is_complete():
    device, journal = DeviceFactory(), Journal()
    window = wire.Window(start_ms=NOON_MS, duration_s=60, line="L1")
    tombstone = wire.Tombstone(at_ms=NOON_MS, lost_kind="image", count=1, reason="disk budget spent")
    store(device, journal.write(result(1), window, tombstone, b"\xc1", result(5)))
    (row,) = selectors.ledger()
    assert (row.stored, row.quarantined, row.tombstones, row.gap) == (5, 1, 1, 0)
    assert "5 issued, 5 stored: complete" in ledger_text()


@pytest.mark.parametrize("plant", ["loss", "double", "stray"])
def test_the_ledger_finds_a_planted_fault(plant):
    """Its negative control: a lost row, one stored twice, and one beyond the watermark."""
    device, journal = DeviceFactory(), Journal().write_results(6)
    store(device, journal)
    if plant == "loss":
        Result.objects.filter(seq=3).delete()
    else:
        tomorrow = NOW + timedelta(days=1)
        partitions_due(now=NOW)
        row = Result.objects.get(seq=3)
        row.pk = (tomorrow.date(), row.stream_id, row.seq if plant == "double" else 99)
        row.save(force_insert=True)
    (row,) = selectors.ledger()
    assert (row.gap, row.duplicates) == ((1, 0) if plant == "loss" else (0, 1))
    with pytest.raises(CommandError, match="not sound"):
        ledger_text()


def test_the_ledger_as_json():
    store(DeviceFactory(), Journal().write_results(2))
    account = json.loads(ledger_text(is_json=True))
    assert account["verdict"] == "complete"
    assert account["streams"][0]["stored"] == 2


def ledger_text(**options) -> str:
    out = StringIO()
    call_command("ledger", stdout=out, **options)
    return out.getvalue()


def test_expired_partitions_go_and_the_ledger_stays_sound(settings):
    settings.RESULT_RETENTION_DAYS = 30
    device, journal = DeviceFactory(), Journal().write_results(4)
    store(device, journal)
    later = NOW + timedelta(days=31)
    partitions_due(now=later)
    assert not Result.objects.exists()
    assert Stream.objects.get().expired_count == 4
    (row,) = selectors.ledger()
    assert (row.stored, row.gap, row.is_sound) == (4, 0, True)


def test_partitions_are_made_ahead_once():
    far = NOW + timedelta(days=900)
    assert partitions_due(now=far) >= DAYS_AHEAD + 1
    assert partitions_due(now=far) == 0


def test_watermarks_are_the_devices_own():
    stream = StreamFactory(watermark=7)
    StreamFactory()
    assert selectors.watermarks(device_id=stream.device_id) == {stream.pk: 7}
