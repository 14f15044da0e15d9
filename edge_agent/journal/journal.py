"""The journal itself: submit from any thread, one committer writes in groups.

Promise. What `append` returned for, or a ticket was kept for, survives `kill -9` and a power cut: SQLite in WAL
mode with `synchronous=FULL`, written by one connection in one thread. Nothing waits for a group to fill: a
record waits for the commit under way and for its own, and a group holds at most GROUP_MAX records.

Numbers are dense: each stream counts 1, 2, 3 … and its running digest covers every record, so nothing that was
promised can be taken out again. Therefore the disk budget is kept this way: images go first (sent, then
unwanted, then the oldest that wait), every eviction of one that waited leaves a numbered tombstone and an alarm;
when no image is left, new records are refused with JournalFull, and how many were refused is journalled as
soon as there is room. The control stream has CONTROL_RESERVE_BYTES more, so that a full device can say so.

Records are kept RETENTION_MS after the cloud acknowledged them: a restored cloud may ask for them again. That day
is counted by the monotonic clock, as wall clocks lie.
"""

import contextlib
import fcntl
import logging
import os
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from edge_agent.clock import Clock
from edge_agent.journal.age import Age
from edge_agent.journal.damage import Damage, open_sound
from edge_agent.journal.errors import JournalError, JournalFull, JournalRefused, JournalUnavailable
from edge_agent.journal.images import ImageFile, ImageFolder
from edge_agent.journal.losses import BUDGET_SPENT, NOT_WRITTEN, SET_ASIDE, UntoldLosses
from edge_agent.journal.room import Room
from edge_agent.journal.store import Backlog, ImageState, StoredImage, Tail
from edge_agent.journal.tickets import Entry, Ticket
from edge_agent.journal.watermarks import Heard, heard
from edge_agent.wire.codec import encode
from edge_agent.wire.messages import Batch, StreamAck, StreamState
from edge_agent.wire.records import STREAM_OF_RECORD, Alarm, Record, Tombstone
from edge_agent.wire.words import AlarmCode, StreamKind

logger = logging.getLogger(__name__)
T = TypeVar("T")

GROUP_MAX = 64
QUEUE_MAX = 4096
"""Jobs that may wait while the disk stands still; beyond it `submit` refuses at once instead of eating memory."""
WAIT_S = 30.0
RETENTION_MS = 24 * 3600 * 1000
UPKEEP_S = 60.0
FORGET_PER_TURN = 5_000
DEFAULT_BUDGET_BYTES = 2_000 * 1024 * 1024

REOPEN_AFTER_S = 1.0
"""Of nothing but failures: then it may be the open files that are broken and not the disk."""


class Journal:
    """See the module's promise. Safe to use from any thread; opening takes the folder for this process alone."""

    def __init__(self, folder: Path, clock: Clock, *, budget_bytes: int = DEFAULT_BUDGET_BYTES) -> None:
        """Open or make the journal in `folder`.

        Raises JournalRefused when another process holds it, JournalUnavailable when the disk fails.
        """
        self._clock = clock
        self._jobs: queue.Queue[Entry | None] = queue.Queue(QUEUE_MAX)
        self._losses = UntoldLosses()
        self._reopen_due_s: float | None = None
        """Set while the disk fails."""
        self._is_closed = False
        self._old_copies: set[str] = set()
        self._lowered: dict[str, int] = {}
        """Lower watermarks that were heard of once."""
        damage = self._open(folder, budget_bytes)
        self._upkeep_due_s = clock.monotonic_s()
        self._committer = threading.Thread(target=self._run, name="journal", daemon=True)
        self._committer.start()
        if damage.text:
            self._losses.add(SET_ASIDE, damage.lost_count)
            self.submit(Alarm(at_ms=clock.wall_ms(), code=AlarmCode.JOURNAL_DAMAGED, text=damage.text))

    def _open(self, folder: Path, budget_bytes: int) -> Damage:
        """What was damaged. After a failure the folder is free again."""
        with contextlib.ExitStack() as on_failure:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                self._lock = _locked(folder / "lock")
                on_failure.callback(os.close, self._lock)
                self._store, damage = open_sound(folder.absolute() / "journal.db", self._clock.wall_ms())
                on_failure.callback(self._store.close)
                self._age = Age(self._clock, self._store.newest_ms())
                self._images = ImageFolder(folder / "images")
                self._room = Room(self._store, self._images, folder, budget_bytes)
                self._clean_images()
                self._room.measure()
                self._publish()
            except (sqlite3.Error, OSError) as exc:
                raise JournalUnavailable(f"the journal cannot be opened: {exc}") from exc
            on_failure.pop_all()
        return damage

    # Records in

    def append(self, record: Record, *, images: Sequence[ImageFile] = ()) -> int:
        """Return the record's number once it and its images are durable. Raises JournalError."""
        return self.submit(record, images=images).wait(WAIT_S)

    def submit(self, record: Record, *, images: Sequence[ImageFile] = ()) -> Ticket[int]:
        """Take the record at once; the ticket is kept when it is durable. Raises JournalUnavailable when overrun."""
        kind, body = STREAM_OF_RECORD[type(record)], encode(record)
        return self._queue(lambda: self._append(kind, body, images), is_record=True)

    # Records out

    def streams(self) -> list[StreamState]:
        return self._states

    def backlog(self) -> Backlog:
        return self._backlog

    @property
    def used_bytes(self) -> int:
        """What records and images take of the budget."""
        return self._room.used_bytes

    def batch(self, kind: StreamKind, limit: int) -> Batch | None:
        """The next records that the cloud does not hold, in order; None when it holds them all."""
        return self._ask(lambda: self._store.batch(kind, limit))

    def acked(self, ack: StreamAck) -> None:
        """Learn the cloud's watermark; a lower one than before makes what is still held go out again.

        A lower one is believed when it comes twice. That of a stranger's stream changes nothing. One beyond what was
        ever written here means that this journal is an old copy: it changes nothing either, and an alarm says so.
        """
        self._ask(lambda: self._learn(ack))

    # Images out

    def images_wanted(self, sha256s: Sequence[str]) -> None:
        open_states = (ImageState.WAITING, ImageState.UNWANTED)
        self._ask(lambda: [self._store.image_move(s, old=open_states, new=ImageState.WANTED) for s in sha256s])

    def image_next(self) -> StoredImage | None:
        """The next image to offer; only ones whose record the cloud holds."""
        return self._ask(self._store.image_next)

    def image_read(self, sha256: str, offset: int, size_bytes: int) -> bytes:
        """Raises JournalRefused when the file is gone."""
        try:
            return self._images.read(sha256, offset, size_bytes)
        except OSError as exc:
            raise JournalRefused(f"image {sha256} cannot be read: {exc}") from exc

    def image_settled(self, sha256: str, state: ImageState) -> None:
        """The cloud has it (sent), did not want it (unwanted), or it is of no use (gone)."""
        open_states = (ImageState.WAITING, ImageState.WANTED)
        self._ask(lambda: self._store.image_move(sha256, old=open_states, new=state))
        if state is ImageState.GONE:
            self._images.remove([sha256])

    # Life

    def budget(self, budget_bytes: int) -> None:
        self._room.budget_bytes = budget_bytes

    def close(self) -> None:
        """Write what was submitted, then let go of the folder."""
        if self._is_closed:
            return
        self._is_closed = True
        self._jobs.put(None)
        self._committer.join()
        self._refuse_late()
        self._store.close()
        os.close(self._lock)

    def _refuse_late(self) -> None:
        """What slipped in behind the end must not wait for nothing."""
        while not self._jobs.empty():
            late = self._jobs.get_nowait()
            if late is not None:
                late.ticket.fail(JournalUnavailable("the journal is closed"))

    # In the caller's thread

    def _queue(self, act: Callable[[], T], *, is_record: bool = False) -> Ticket[T]:
        ticket: Ticket[T] = Ticket()

        def job() -> Callable[[], None]:
            value = act()
            return lambda: ticket.keep(value)

        if self._is_closed:
            raise JournalUnavailable("the journal is closed")
        try:
            self._jobs.put_nowait(Entry(job, ticket, is_record))  # type: ignore[arg-type]  # it is only failed there
        except queue.Full:
            self._losses.add(NOT_WRITTEN, int(is_record))
            raise JournalUnavailable(f"{QUEUE_MAX} jobs wait for the disk already") from None
        return ticket

    def _ask(self, act: Callable[[], T]) -> T:
        return self._queue(act).wait(WAIT_S)

    # In the committer's thread

    def _run(self) -> None:
        is_open = True
        while is_open:
            group, is_open = self._next_group()
            if group:
                self._write(group)
            if self._clock.monotonic_s() >= self._upkeep_due_s:
                self._upkeep_due_s = self._clock.monotonic_s() + UPKEEP_S
                self._write([Entry(self._upkeep, Ticket())])

    def _next_group(self) -> tuple[list[Entry], bool]:
        """What waits, at most GROUP_MAX jobs; False with it when the journal is to close."""
        group: list[Entry] = []
        try:
            job = self._jobs.get(timeout=UPKEEP_S)
            while job is not None:
                group.append(job)
                if len(group) == GROUP_MAX:
                    return group, True
                job = self._jobs.get_nowait()
        except queue.Empty:
            return group, True
        return group, False

    def _write(self, group: list[Entry]) -> None:
        """One transaction for the group. A job that is refused fails alone; a disk that fails, fails them all."""
        try:
            settle = self._transact(group)
        except Exception as exc:  # noqa: BLE001
            # Not only the disk's errors: a committer that died of a bug would stop the line without a word.
            self._fail(group, exc)
            return
        self._reopen_due_s = None
        try:
            self._publish()
        except sqlite3.Error as exc:
            # What was committed is promised all the same; only the facts are those of the group before.
            logger.warning("journal_facts_stale error=%s", exc)
        self._room.forget_files()
        for done in settle:
            done()

    def _transact(self, group: list[Entry]) -> list[Callable[[], None]]:
        settle: list[Callable[[], None]] = []
        self._store.begin()
        self._room.measure()
        for entry in group:
            try:
                settle.append(entry.job())
            except JournalError as exc:
                entry.ticket.fail(exc)
        settle.append(self._tell_losses())
        self._store.commit()
        return settle

    def _fail(self, group: list[Entry], error: Exception) -> None:
        now_s = self._clock.monotonic_s()
        if self._reopen_due_s is None:
            logger.error("journal_write_failed jobs=%d", len(group), exc_info=error)
            self._reopen_due_s = now_s + REOPEN_AFTER_S
        self._losses.add(NOT_WRITTEN, sum(entry.is_record and not entry.ticket.is_settled for entry in group))
        if not self._is_rolled_back() or now_s >= self._reopen_due_s:
            self._reopen_due_s = now_s + REOPEN_AFTER_S
            self._reopen()
        for entry in group:
            entry.ticket.fail(JournalUnavailable(f"{type(error).__name__}: {error}"))

    def _is_rolled_back(self) -> bool:
        try:
            self._store.rollback()
        except (sqlite3.Error, MemoryError) as exc:
            logger.warning("journal_rollback_failed error=%s", exc)
            return False
        return True

    def _reopen(self) -> None:
        try:
            self._store.reopen()
        except (sqlite3.Error, MemoryError) as exc:
            # The next group's BEGIN fails too, and leads here again.
            logger.warning("journal_reopen_failed error=%s", exc)
        else:
            logger.info("journal_reopened")

    def _append(self, kind: StreamKind, body: bytes, images: Sequence[ImageFile]) -> int:
        try:
            self._room.make(kind, len(body) + sum(len(image.encoded) for image in images))
        except JournalFull:
            self._losses.add(BUDGET_SPENT)
            raise
        for image in images:
            self._keep_image(image, self._store.tails[kind].last_seq + 1)
        return self._store.append(kind, body)

    def _keep_image(self, image: ImageFile, seq: int) -> None:
        """An image that cannot be written, for want of an inode say, is lost and counted; its record is kept."""
        if self._store.image_state(image.sha256) not in (None, ImageState.GONE):
            return
        stored = StoredImage(sha256=image.sha256, size_bytes=len(image.encoded))
        self._store.image_keep(stored, seq=seq, now_ms=self._age.now_ms())
        try:
            self._images.keep(image)
        except OSError as exc:
            logger.warning("image_not_written sha256=%s error=%s", image.sha256, exc)
            self._store.image_move(image.sha256, old=(ImageState.WAITING,), new=ImageState.GONE)
            self._room.losses.unwritten_images += 1
        else:
            self._room.losses.files.discard(image.sha256)

    def _tell_losses(self) -> Callable[[], None]:
        """Journal what gave way. A lost record is told in the first group that has room again."""
        images = self._room.losses
        for count, reason in ((images.evicted_images, BUDGET_SPENT), (images.unwritten_images, NOT_WRITTEN)):
            if count:
                self._bury("image", count, reason)
        counts = self._losses.pending()
        if not counts or not self._has_room():
            return lambda: None
        for reason, count in counts.items():
            self._bury("record", count, reason)
        return lambda: self._losses.told(counts)

    def _has_room(self) -> bool:
        try:
            self._room.make(StreamKind.INSPECTION, 1024)
        except JournalFull:
            return False
        return True

    def _bury(self, lost_kind: str, count: int, reason: str) -> None:
        now_ms = self._clock.wall_ms()
        logger.warning("journal_lost lost_kind=%s count=%d reason=%s", lost_kind, count, reason)
        tombstone = Tombstone(at_ms=now_ms, lost_kind=lost_kind, count=count, reason=reason)
        self._store.append(StreamKind.INSPECTION, encode(tombstone))
        code = AlarmCode.STORAGE_FULL if reason == BUDGET_SPENT else AlarmCode.JOURNAL_DAMAGED
        alarm = Alarm(at_ms=now_ms, code=code, text=f"{count} of kind {lost_kind} lost: {reason}")
        self._store.append(StreamKind.CONTROL, encode(alarm))

    def _learn(self, ack: StreamAck) -> None:
        tail = next((tail for tail in self._store.tails.values() if tail.id == ack.stream), None)
        if tail is None:
            return
        lower_before = self._lowered.pop(tail.id, None)
        what = heard(ack.watermark, acked_seq=tail.acked_seq, last_seq=tail.last_seq, lower_before=lower_before)
        if what is Heard.PERHAPS_LOWER:
            self._lowered[tail.id] = ack.watermark
        elif what is Heard.IMPOSSIBLE:
            self._warn_of_old_copy(tail, ack.watermark)
        elif what is not Heard.UNCHANGED:
            if what is Heard.LOWERED:
                logger.warning("watermark_lowered stream=%s from=%d to=%d", tail.kind, tail.acked_seq, ack.watermark)
            self._store.acked(tail.kind, ack.watermark, self._age.now_ms())

    def _warn_of_old_copy(self, tail: Tail, watermark: int) -> None:
        if tail.id in self._old_copies:
            return
        self._old_copies.add(tail.id)
        text = f"the cloud holds {watermark} records of the {tail.kind.value} stream, here are {tail.last_seq}"
        logger.error("journal_is_old_copy stream=%s cloud=%d here=%d", tail.kind.value, watermark, tail.last_seq)
        alarm = Alarm(at_ms=self._clock.wall_ms(), code=AlarmCode.JOURNAL_DAMAGED, text=text)
        self._store.append(StreamKind.CONTROL, encode(alarm))

    def _upkeep(self) -> Callable[[], None]:
        before_ms = self._age.now_ms() - RETENTION_MS
        for kind in StreamKind:
            self._store.forget_acked(kind, before_ms, FORGET_PER_TURN)
        old = self._store.images_forget(before_ms)
        return lambda: self._images.remove(old)

    def _publish(self) -> None:
        """Replace the facts that other threads read; each is one reference, immutable."""
        self._states = self._store.states()
        self._backlog = self._store.backlog()

    def _clean_images(self) -> None:
        states = (ImageState.WAITING, ImageState.WANTED, ImageState.SENT, ImageState.UNWANTED)
        count = self._images.remove_unknown({image.sha256 for image in self._store.images_in(*states)})
        if count:
            logger.info("images_without_record_removed count=%d", count)


def _locked(path: Path) -> int:
    """Hold the folder for this process; the system lets go when the process dies."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        os.close(descriptor)
        raise JournalRefused(f"another agent uses {path.parent}") from exc
    return descriptor
