"""F13, small: bits flipped, sectors zeroed, files cut or gone. The journal always opens and goes on without a gap."""

import contextlib
import random
import shutil
import sqlite3

import pytest

from edge_agent.clock import SystemClock
from edge_agent.cloud import HttpCloud
from edge_agent.identity import load_identity
from edge_agent.journal import ImageFile, Journal
from edge_agent.journal.damage import GAP_MAX, place
from edge_agent.sync import Sync
from edge_agent.wire.codec import GENESIS_DIGEST, chain_digest, decode_record, encode
from edge_agent.wire.messages import StreamAck
from edge_agent.wire.records import ImageKept, Result, Tombstone
from edge_agent.wire.words import AlarmCode, FlagReason, StreamKind, Verdict
from tests.kit.agents import enrolled
from tests.kit.cloud import FakeCloud
from tests.kit.fault_records import leave_facts
from tests.kit.journal_damage import RECORD_COUNT, hurt_somewhere, open_hurt, result, write_journals

SEED = 1303


@pytest.fixture(scope="module")
def journals(tmp_path_factory):
    folder = tmp_path_factory.mktemp("journals")
    write_journals(folder)
    return folder


@pytest.mark.parametrize("number", range(40))
def test_a_damaged_journal_opens_goes_on_without_a_gap_and_says_what_is_gone(journals, tmp_path, number):
    was_closed = number % 2 == 1
    folder = tmp_path / "journal"
    shutil.copytree(journals / ("closed" if was_closed else "crashed"), folder)
    how = hurt_somewhere(folder, random.Random(SEED * 1000 + number))
    opened = open_hurt(folder)
    leave_facts("F13", seed=number, how=how, opened=opened)
    assert opened.is_dense
    assert opened.forged == []
    assert opened.is_whole_at_next_start
    assert opened.buried_count <= opened.lost_count
    if was_closed:
        # Without a log to hide in, all damage is noticed; and counted where the file could be read at all.
        assert opened.is_alarm_there == (opened.lost_count > 0)
        assert opened.is_set_aside or opened.buried_count == opened.lost_count


def test_the_check_catches_a_record_that_was_changed_and_made_to_fit(journals, tmp_path):
    """The negative control: a forger who can compute digests gets past the journal, and not past the check."""
    shutil.copytree(journals / "closed", tmp_path / "journal")
    with contextlib.closing(sqlite3.connect(tmp_path / "journal" / "journal.db")) as database, database:
        query = "SELECT seq, body FROM record WHERE kind = 'inspection' ORDER BY seq"
        rows = dict(database.execute(query).fetchall())
        rows[7] = encode(Result(at_ms=6, line="line-1", item="part-6", verdict=Verdict.DEFECT))
        digest = GENESIS_DIGEST
        for seq, body in rows.items():
            digest = chain_digest(digest, [body])
            database.execute("UPDATE record SET body = ?, digest = ? WHERE seq = ?", (body, digest, seq))
    assert open_hurt(tmp_path / "journal").forged == ["part-6"]


@pytest.mark.parametrize(
    "hurt_stream",
    ["kind = 'inspectioo'", "id = 'x'", "base_digest = '0'", "base_seq = -1", "acked_seq = 4096", "base_seq = 4096"],
)
def test_a_hurt_stream_is_noticed_and_the_device_goes_on(journals, tmp_path, hurt_stream):
    shutil.copytree(journals / "closed", tmp_path / "journal")
    with contextlib.closing(sqlite3.connect(tmp_path / "journal" / "journal.db")) as database, database:
        database.execute(f"UPDATE stream SET {hurt_stream} WHERE kind = 'inspection'")
    opened = open_hurt(tmp_path / "journal")
    assert opened.is_dense
    assert opened.is_set_aside
    assert opened.is_alarm_there
    assert opened.is_whole_at_next_start


def test_a_journal_without_its_log_goes_on_and_an_alarm_says_that_the_cloud_has_more(journals, tmp_path):
    shutil.copytree(journals / "crashed", tmp_path / "journal")
    for name in ("journal.db-wal", "journal.db-shm"):
        (tmp_path / "journal" / name).unlink()
    journal = Journal(tmp_path / "journal", SystemClock())
    try:
        (state,) = [state for state in journal.streams() if state.kind is StreamKind.INSPECTION]
        journal.append(result(1))
        journal.acked(StreamAck(stream=state.stream, watermark=RECORD_COUNT))
        control = journal.batch(StreamKind.CONTROL, 100)
        codes = [record.code for record in map(decode_record, control.items if control else [])]
        has_lost = state.last_seq < RECORD_COUNT
    finally:
        journal.close()
    assert has_lost
    assert AlarmCode.JOURNAL_DAMAGED in codes


def test_a_missing_image_is_told_and_the_others_are_sent(tmp_path):
    cloud = FakeCloud()
    data = enrolled(tmp_path / "data", cloud.url)
    journal = Journal(data / "journal", SystemClock())
    http = HttpCloud(cloud.url, credentials=load_identity(data).credentials(), clock=SystemClock())
    try:
        images = [ImageFile.of(bytes([number]) * 1000) for number in range(5)]
        for image in images:
            kept = ImageKept(sha256=image.sha256, size_bytes=1000, reason=FlagReason.RANDOM_SAMPLE)
            named = Result(at_ms=1, line="line-1", item=image.sha256[:9], verdict=Verdict.OK, image=kept)
            journal.append(named, images=[image])
        (data / "journal" / "images" / images[2].sha256).unlink()
        sync = Sync(http, journal=journal, interval_s=lambda: 1.0, clock=SystemClock())
        while sync.turn() == 0.0:
            pass
    finally:
        journal.close()
        http.close()
        cloud.stop()
    (stream,) = cloud.ledger.of_kind(StreamKind.INSPECTION)
    graves = [record for record in map(decode_record, stream.bodies) if isinstance(record, Tombstone)]
    complete = {name for name, image in cloud.ledger.images.items() if image.content}
    assert complete == {image.sha256 for image in images} - {images[2].sha256}
    assert [(grave.lost_kind, grave.count) for grave in graves] == [("image", 1)]


def chained(*bodies):
    digest, rows = GENESIS_DIGEST, []
    for seq, body in enumerate(bodies, 1):
        digest = chain_digest(digest, [body])
        rows.append((seq, body, digest))
    return rows


def placed(rows):
    return [(one.seq, one.body, one.is_right) for one in place(rows, 0, GENESIS_DIGEST)]


def test_a_row_with_a_hurt_number_stands_where_its_digest_proves():
    rows = chained(b"a", b"b", b"c")
    rows[1] = (7000, *rows[1][1:])
    assert placed(rows) == [(1, b"a", True), (2, b"b", True), (3, b"c", True)]


def test_a_hurt_body_costs_its_own_row_only():
    rows = chained(b"a", b"b", b"c")
    rows[1] = (2, b"x", rows[1][2])
    assert placed(rows) == [(1, b"a", True), (2, b"x", False), (3, b"c", True)]


def test_missing_rows_keep_their_numbers():
    rows = chained(b"a", b"b", b"c", b"d")
    del rows[1:3]
    assert placed(rows) == [(1, b"a", True), (2, None, False), (3, None, False), (4, b"d", True)]


def test_a_number_far_ahead_makes_no_endless_gap():
    rows = chained(b"a", b"b")
    rows[1] = (2 + GAP_MAX + 10**12, b"x", "e" * 32)
    assert placed(rows) == [(1, b"a", True), (2, b"x", False)]
