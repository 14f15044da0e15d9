"""F11: no bytes left, no inodes left, a disk that became read-only.

Images give way first, every loss is counted, and the journal recovers by itself.
"""

import os
import time

import pytest

from edge_agent.clock import SystemClock
from edge_agent.journal import ImageFile, Journal, JournalError, JournalFull, room
from edge_agent.wire.codec import decode_record
from edge_agent.wire.records import Alarm, ImageKept, Result, Tombstone
from edge_agent.wire.words import AlarmCode, FlagReason, StreamKind, Verdict
from tests.kit.disks import cuttable_disk, needs_fuse, needs_root, small_disk
from tests.kit.fault_records import leave_facts

RECOVERY_MAX_S = 30


def image(number):
    return ImageFile.of(number.to_bytes(4, "big") * 16_000)


def result(number, kept=None):
    named = kept and ImageKept(sha256=kept.sha256, size_bytes=len(kept.encoded), reason=FlagReason.RANDOM_SAMPLE)
    return Result(at_ms=number, line="line-1", item=f"part-{number}", verdict=Verdict.OK, image=named)


def tried(journal, number, kept=None):
    """The record's number, or why it got none."""
    try:
        return journal.append(result(number, kept), images=[kept] if kept else [])
    except JournalError as exc:
        return type(exc)


def records(journal, kind):
    batch = journal.batch(kind, 1000)
    return [decode_record(item) for item in batch.items] if batch else []


def seconds_until_taken(journal, first_number):
    begun_s = time.monotonic()
    number = first_number
    while not isinstance(tried(journal, number), int):
        assert time.monotonic() - begun_s < RECOVERY_MAX_S, "the journal does not recover"
        number += 1
        time.sleep(0.05)
    return time.monotonic() - begun_s


def tombstones(journal, lost_kind):
    graves = [record for record in records(journal, StreamKind.INSPECTION) if isinstance(record, Tombstone)]
    return sum(grave.count for grave in graves if grave.lost_kind == lost_kind)


@pytest.fixture
def opened(request):
    journals = []

    def opener(folder):
        journals.append(Journal(folder, SystemClock()))
        return journals[-1]

    yield opener
    for journal in journals:
        journal.close()


def fill(folder, *, leave_bytes):
    facts = os.statvfs(folder)
    size_bytes = facts.f_bavail * facts.f_frsize - leave_bytes
    ballast = folder / "ballast"
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, size_bytes)
    return ballast


@needs_root
def test_a_full_disk_gives_up_images_first_then_refuses_and_recovers_when_there_is_room(tmp_path, opened):
    with small_disk(tmp_path / "small", size_mb=48) as disk:
        journal = opened(disk / "journal")
        with_images = [tried(journal, number, image(number)) for number in range(80)]
        ballast = fill(disk, leave_bytes=room.DISK_FREE_MIN_BYTES - 64 * 1024)
        tight = [tried(journal, number) for number in range(80, 280)]
        evicted_count = tombstones(journal, "image")
        fill(disk, leave_bytes=0)
        full = [tried(journal, number) for number in range(280, 290)]
        ballast.unlink()
        recovery_s = seconds_until_taken(journal, 290)
        refused_count = tombstones(journal, "record")
        alarms = [record for record in records(journal, StreamKind.CONTROL) if isinstance(record, Alarm)]
        leave_facts("F11-bytes", seed=0, evicted=evicted_count, refused=refused_count, recovery_s=recovery_s)
        assert all(isinstance(seq, int) for seq in with_images + tight), "images had to go first"
        assert evicted_count > 0
        assert set(full) == {JournalFull}
        assert refused_count >= len(full)
        assert AlarmCode.STORAGE_FULL in {alarm.code for alarm in alarms}
        journal.close()


@needs_root
def test_without_inodes_a_result_is_kept_and_its_image_is_counted_as_lost(tmp_path, opened):
    with small_disk(tmp_path / "small", size_mb=64, inode_count=24) as disk:
        journal = opened(disk / "journal")
        taken = [tried(journal, number, image(number)) for number in range(40)]
        lost_count = tombstones(journal, "image")
        kept_count = sum(path.suffix == "" for path in (disk / "journal" / "images").iterdir())
        leave_facts("F11-inodes", seed=0, taken=len(taken), images_kept=kept_count, images_lost=lost_count)
        assert all(isinstance(seq, int) for seq in taken)
        assert lost_count > 0
        assert kept_count + lost_count == 40
        assert journal.backlog().images_waiting == kept_count
        journal.close()


@needs_fuse
def test_a_disk_that_becomes_read_only_is_refused_and_recovered_from(tmp_path, opened):
    with cuttable_disk(tmp_path / "disk") as disk:
        journal = opened(disk.mount / "journal")
        before = [tried(journal, number) for number in range(10)]
        disk.refuse("EROFS")
        during = [tried(journal, number) for number in range(10, 30)]
        disk.refuse()
        recovery_s = seconds_until_taken(journal, 30)
        lost_count = tombstones(journal, "record")
        leave_facts("F11-read-only", seed=0, lost=lost_count, recovery_s=recovery_s)
        assert all(isinstance(seq, int) for seq in before)
        assert not any(isinstance(seq, int) for seq in during)
        assert lost_count >= len(during)
        journal.close()


@needs_root
def test_a_journal_that_drops_records_silently_is_caught(tmp_path, opened):
    """The negative control: what is not told of is missed by the counts above."""
    with small_disk(tmp_path / "small", size_mb=48) as disk:
        journal = opened(disk / "journal")
        journal._losses.add = lambda *_: None
        fill(disk, leave_bytes=0)
        full = [tried(journal, number) for number in range(10)]
        (disk / "ballast").unlink()
        seconds_until_taken(journal, 10)
        assert tombstones(journal, "record") < len(full)
        journal.close()
