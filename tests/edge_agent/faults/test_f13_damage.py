"""F13, small: bits flipped, sectors zeroed and files cut in a journal. It always opens, and goes on without a gap."""

import random
import shutil

import pytest

from edge_agent.clock import SystemClock
from edge_agent.journal import Journal
from edge_agent.journal.damage import GAP_MAX, place
from edge_agent.wire.codec import GENESIS_DIGEST, chain_digest, decode_record
from edge_agent.wire.records import Result, Tombstone
from edge_agent.wire.words import StreamKind, Verdict

RECORD_COUNT = 300
SEED = 1303


def result(number):
    return Result(at_ms=number, line="line-1", item=f"part-{number}", verdict=Verdict.OK)


@pytest.fixture(scope="module")
def journals(tmp_path_factory):
    """A journal that was closed, and one as a crash leaves it, with its log beside it."""
    folder = tmp_path_factory.mktemp("journals")
    journal = Journal(folder / "closed", SystemClock())
    for ticket in [journal.submit(result(number)) for number in range(RECORD_COUNT)]:
        ticket.wait(30)
    shutil.copytree(folder / "closed", folder / "crashed")
    journal.close()
    return folder


def hurt(file, chance):
    content = bytearray(file.read_bytes())
    at = chance.randrange(len(content))
    match chance.choice(["flip", "zero", "cut"]):
        case "flip":
            content[at] ^= 1 << chance.randrange(8)
        case "zero":
            content[at : at + 512] = bytes(len(content[at : at + 512]))
        case "cut":
            del content[at:]
    file.write_bytes(content)


@pytest.mark.parametrize("number", range(40))
def test_a_damaged_journal_opens_and_goes_on_without_a_gap(journals, tmp_path, number):
    chance = random.Random(SEED * 1000 + number)
    folder = tmp_path / "journal"
    shutil.copytree(journals / ("closed" if number % 2 else "crashed"), folder)
    files = [file for file in folder.glob("journal.db*") if file.stat().st_size and not file.name.endswith("-shm")]
    hurt(chance.choice(sorted(files)), chance)
    journal = Journal(folder, SystemClock())
    try:
        seq = journal.append(result(9999))
        batch = journal.batch(StreamKind.INSPECTION, 1000)
    finally:
        journal.close()
    records = [decode_record(item) for item in batch.items]
    assert (batch.first_seq, len(records)) == (1, seq)
    assert chain_digest(GENESIS_DIGEST, batch.items) == batch.digest_after
    assert all(isinstance(record, Result | Tombstone) for record in records)
    assert records[-1].at_ms == 9999


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
