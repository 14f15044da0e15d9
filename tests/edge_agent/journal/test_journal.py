"""The journal's promises, each against the real SQLite file."""

import sqlite3
import threading
from pathlib import Path

import pytest

from edge_agent.clock import SystemClock
from edge_agent.journal import ImageFile, ImageState, Journal, JournalFull, JournalRefused, JournalUnavailable
from edge_agent.journal.journal import RETENTION_MS
from edge_agent.wire.codec import GENESIS_DIGEST, chain_digest, decode_record
from edge_agent.wire.messages import StreamAck
from edge_agent.wire.records import Alarm, CommandAnswer, Result, Tombstone
from edge_agent.wire.words import AlarmCode, CommandOutcome, StreamKind, Verdict
from tests.kit.handclock import HandClock

INSPECTION, CONTROL = StreamKind.INSPECTION, StreamKind.CONTROL


@pytest.fixture
def opened(tmp_path):
    """Opens journals in one folder and closes what a test left open."""
    journals = []

    def open_journal(**options):
        journals.append(Journal(tmp_path / "journal", options.pop("clock", SystemClock()), **options))
        return journals[-1]

    yield open_journal
    for journal in journals:
        journal.close()


def result(number):
    return Result(at_ms=number, line="line-1", item=f"part-{number}", verdict=Verdict.OK)


def stream_of(journal, kind):
    return next(state for state in journal.streams() if state.kind is kind)


def ack(journal, watermark, kind=INSPECTION):
    return journal.acked(StreamAck(stream=stream_of(journal, kind).stream, watermark=watermark))


def restored(journal, watermark):
    """The cloud lost what came after: it says so again and again."""
    ack(journal, watermark)
    ack(journal, watermark)


def numbers(batch):
    return [decode_record(item).at_ms for item in batch.items]


def test_each_stream_counts_from_one_without_gaps(opened):
    journal = opened()
    assert [journal.append(result(n)) for n in (1, 2, 3)] == [1, 2, 3]
    assert journal.append(Alarm(at_ms=1, code=AlarmCode.CAMERA_FAULT)) == 1


def test_what_was_promised_is_there_after_reopening_and_the_numbers_go_on(opened):
    first = opened()
    for number in range(1, 11):
        first.append(result(number))
    before = first.streams()
    first.close()
    second = opened()
    assert second.streams() == before
    assert second.append(result(11)) == 11
    assert numbers(second.batch(INSPECTION, 100)) == list(range(1, 12))


def test_batches_cut_anywhere_carry_the_same_chain(opened):
    journal = opened()
    for number in range(1, 8):
        journal.append(result(number))
    whole = journal.batch(INSPECTION, 100)
    assert whole.digest_before == GENESIS_DIGEST
    assert whole.digest_after == chain_digest(GENESIS_DIGEST, whole.items)
    ack(journal, 3)
    rest = journal.batch(INSPECTION, 2)
    assert (rest.first_seq, numbers(rest)) == (4, [4, 5])
    assert rest.digest_before == chain_digest(GENESIS_DIGEST, whole.items[:3])
    assert rest.digest_after == chain_digest(rest.digest_before, rest.items)


def test_a_batch_stays_under_its_size_in_bytes(opened):
    journal = opened()
    for number in range(120):
        journal.append(CommandAnswer(at_ms=number, command_id="c", outcome=CommandOutcome.FAILED, text="x" * 15_000))
    batch = journal.batch(CONTROL, 1000)
    assert 90 <= len(batch.items) < 120
    assert sum(len(bytes(item)) for item in batch.items) <= 1_500_000


def test_an_acked_stream_has_no_batch(opened):
    journal = opened()
    journal.append(result(1))
    ack(journal, 1)
    assert journal.batch(INSPECTION, 10) is None
    assert journal.backlog().count == journal.backlog().bytes == 0


def test_a_lower_watermark_sends_again_what_is_held(opened):
    journal = opened()
    for number in range(1, 6):
        journal.append(result(number))
    ack(journal, 5)
    restored(journal, 2)
    assert numbers(journal.batch(INSPECTION, 10)) == [3, 4, 5]
    assert journal.backlog().count == 3


def test_a_watermark_that_a_newer_one_overtook_sends_nothing_again(opened):
    journal = opened()
    for number in range(1, 6):
        journal.append(result(number))
    ack(journal, 5)
    ack(journal, 2)
    assert journal.batch(INSPECTION, 10) is None
    ack(journal, 5)
    ack(journal, 2)
    assert journal.batch(INSPECTION, 10) is None


def test_a_watermark_beyond_what_was_written_changes_nothing_and_raises_one_alarm(opened):
    journal = opened()
    journal.append(result(1))
    ack(journal, 2)
    ack(journal, 3)
    assert journal.batch(INSPECTION, 10).first_seq == 1
    alarms = [decode_record(item).code for item in journal.batch(CONTROL, 10).items]
    assert alarms == [AlarmCode.JOURNAL_DAMAGED]


def test_a_watermark_of_a_stranger_changes_nothing(opened):
    journal = opened()
    journal.append(result(1))
    journal.acked(StreamAck(stream="f" * 32, watermark=1))
    assert journal.backlog().count == 1


def test_records_are_kept_a_day_after_the_ack_and_then_forgotten(opened):
    clock = HandClock()
    journal = opened(clock=clock)
    for number in range(1, 6):
        journal.append(result(number))
    ack(journal, 3)
    clock.turn(RETENTION_MS / 1000 - 120)
    restored(journal, 0)
    assert journal.batch(INSPECTION, 10).first_seq == 1
    ack(journal, 3)
    journal.close()
    later = opened(clock=clock)
    clock.turn(RETENTION_MS / 1000 + 120)
    later.append(result(6))
    restored(later, 0)
    rest = later.batch(INSPECTION, 10)
    assert (rest.first_seq, numbers(rest)) == (4, [4, 5, 6])
    assert rest.digest_after == chain_digest(rest.digest_before, rest.items)


def test_two_agents_cannot_share_a_journal(opened):
    opened()
    with pytest.raises(JournalRefused, match="another agent"):
        opened()


def test_a_closed_journal_promises_nothing(opened):
    journal = opened()
    journal.close()
    with pytest.raises(JournalUnavailable):
        journal.append(result(1))


def test_many_threads_get_one_number_each(opened):
    journal = opened()
    seqs = []

    def work(start):
        tickets = [journal.submit(result(start + n)) for n in range(100)]
        seqs.extend(ticket.wait(30) for ticket in tickets)

    threads = [threading.Thread(target=work, args=(start,)) for start in (0, 1000, 2000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seqs) == list(range(1, 301))


# Images


def test_an_image_is_offered_only_after_its_record_is_acked(opened):
    journal = opened()
    image = ImageFile.of(b"picture")
    journal.append(result(1), images=[image])
    assert journal.image_next() is None
    ack(journal, 1)
    assert journal.image_next().sha256 == image.sha256
    assert journal.image_read(image.sha256, 3, 100) == b"ture"
    journal.image_settled(image.sha256, ImageState.SENT)
    assert journal.image_next() is None


def test_an_image_that_the_cloud_asks_for_comes_first_even_when_it_was_unwanted(opened):
    journal = opened()
    images = [ImageFile.of(bytes([n]) * 10) for n in range(3)]
    for number, image in enumerate(images):
        journal.append(result(number), images=[image])
    ack(journal, 3)
    journal.image_settled(images[2].sha256, ImageState.UNWANTED)
    journal.images_wanted([images[2].sha256])
    assert journal.image_next().sha256 == images[2].sha256


def test_a_file_without_a_record_is_removed_at_open(opened, tmp_path):
    opened().close()
    orphan = tmp_path / "journal" / "images" / ("a" * 64)
    orphan.write_bytes(b"left by a crash")
    opened()
    assert not orphan.exists()


def test_a_full_disk_evicts_images_first_and_says_so_with_a_number(opened):
    journal = opened(budget_bytes=400_000)
    for number in range(1, 8):
        journal.append(result(number), images=[ImageFile.of(bytes([number]) * 100_000)])
    records = [decode_record(item) for item in journal.batch(INSPECTION, 100).items]
    results = [record for record in records if isinstance(record, Result)]
    lost = sum(record.count for record in records if isinstance(record, Tombstone) and record.lost_kind == "image")
    assert [record.at_ms for record in results] == list(range(1, 8))
    assert lost == 7 - journal.backlog().images_waiting
    assert journal.used_bytes <= 400_000
    assert decode_record(journal.batch(CONTROL, 1).items[0]).code is AlarmCode.STORAGE_FULL


def test_an_image_that_was_evicted_and_comes_again_is_kept_again(opened):
    journal = opened(budget_bytes=300_000)
    again = ImageFile.of(b"a" * 100_000)
    tickets = [
        journal.submit(result(number), images=[image])
        for number, image in enumerate([again, ImageFile.of(b"b" * 100_000), ImageFile.of(b"c" * 100_000), again], 1)
    ]
    for ticket in tickets:
        ticket.wait(30)
    assert journal.image_read(again.sha256, 0, 200_000) == again.encoded


def test_a_disk_that_stays_full_is_told_now_and_then_and_not_with_each_image(opened):
    journal = opened(budget_bytes=2_000_000)
    for number in range(400):
        journal.append(result(number), images=[ImageFile.of(number.to_bytes(4) * 2_500)])
    alarms = journal.batch(CONTROL, 1000).items
    evicted_count = 400 - journal.backlog().images_waiting
    assert evicted_count > 200
    assert len(alarms) <= evicted_count / 3


def test_when_no_image_is_left_records_are_refused_and_the_refusals_are_journalled_later(opened):
    journal = opened(budget_bytes=150_000)
    tickets = [journal.submit(result(number)) for number in range(2000)]
    outcomes = []
    for ticket in tickets:
        try:
            outcomes.append(ticket.wait(30))
        except JournalFull:
            outcomes.append(None)
    refused_count = outcomes.count(None)
    assert refused_count > 0
    assert journal.append(Alarm(at_ms=1, code=AlarmCode.STORAGE_FULL)) == 1
    journal.budget(10_000_000)
    journal.append(result(9999))
    records = [decode_record(item) for item in journal.batch(INSPECTION, 5000).items]
    told = [record for record in records if isinstance(record, Tombstone)]
    assert sum(record.count for record in told) == refused_count
    assert len(records) == 2001 - refused_count + len(told)


# Damage


def hurt(tmp_path, sql, *values):
    with sqlite3.connect(tmp_path / "journal" / "journal.db") as db:
        db.execute(sql, values)
    db.close()


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE record SET body = x'00' WHERE kind = 'inspection' AND seq = 3",
        "UPDATE record SET digest = 'bad' WHERE kind = 'inspection' AND seq = 3",
        "DELETE FROM record WHERE kind = 'inspection' AND seq = 3",
    ],
)
def test_a_damaged_row_becomes_a_tombstone_in_its_place(opened, tmp_path, sql):
    journal = opened()
    for number in range(1, 6):
        journal.append(result(number))
    journal.close()
    hurt(tmp_path, sql)
    mended = opened()
    batch = mended.batch(INSPECTION, 10)
    records = [decode_record(item) for item in batch.items]
    assert [type(record) for record in records] == [Result, Result, Tombstone, Result, Result]
    assert batch.digest_after == chain_digest(GENESIS_DIGEST, batch.items)
    assert mended.append(result(6)) == 6
    assert decode_record(mended.batch(CONTROL, 1).items[0]).code is AlarmCode.JOURNAL_DAMAGED


def test_an_unreadable_file_is_set_aside_and_new_streams_begin(opened, tmp_path):
    journal = opened()
    journal.append(result(1))
    old = stream_of(journal, INSPECTION).stream
    journal.close()
    file = tmp_path / "journal" / "journal.db"
    file.write_bytes(b"not a database" * 1000)
    fresh = opened()
    assert fresh.append(result(2)) == 1
    assert stream_of(fresh, INSPECTION).stream != old
    assert len(list((tmp_path / "journal").glob("damaged-*"))) == 1


def test_a_journal_is_found_by_a_relative_path_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    journal = Journal(Path("journal"), SystemClock())
    journal.append(result(1))
    journal.close()
    assert (tmp_path / "journal" / "journal.db").exists()
