"""The journal's tables and statements. One connection, used by one thread; every change inside a transaction."""

import contextlib
import re
import sqlite3
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import msgspec

from edge_agent.wire.codec import GENESIS_DIGEST, chain_digest
from edge_agent.wire.messages import Batch, StreamState
from edge_agent.wire.words import StreamKind

SCHEMA_VERSION = 1
_RECORD_TABLE = """CREATE TABLE record (kind TEXT NOT NULL, seq INTEGER NOT NULL, body BLOB NOT NULL,
    digest TEXT NOT NULL, PRIMARY KEY (kind, seq)) STRICT, WITHOUT ROWID"""
_SCHEMA = (
    """CREATE TABLE stream (kind TEXT PRIMARY KEY, id TEXT NOT NULL UNIQUE, base_seq INTEGER NOT NULL,
        base_digest TEXT NOT NULL, acked_seq INTEGER NOT NULL) STRICT""",
    _RECORD_TABLE,
    """CREATE TABLE ack (kind TEXT NOT NULL, minute INTEGER NOT NULL, watermark INTEGER NOT NULL,
        PRIMARY KEY (kind, minute)) STRICT, WITHOUT ROWID""",
    """CREATE TABLE image (sha256 TEXT PRIMARY KEY, size_bytes INTEGER NOT NULL, state TEXT NOT NULL,
        seq INTEGER NOT NULL, stored_ms INTEGER NOT NULL) STRICT""",
    "CREATE INDEX image_by_state ON image (state, seq)",
    "CREATE TABLE damaged (kind TEXT NOT NULL, seq INTEGER NOT NULL, body BLOB, found_ms INTEGER NOT NULL) STRICT",
)
BATCH_BYTES_MAX = 1_500_000
"""Well under the wire's largest body; about 3,000 results."""


_HEX_32 = re.compile("[0-9a-f]{32}")
Row = tuple[str, int, bytes, str]
"""Kind, number, body, running digest: a record as it is stored."""


class ImageState(StrEnum):
    WAITING = "waiting"
    """Kept; its record may not have reached the cloud yet."""
    WANTED = "wanted"
    """The cloud asked for it."""
    SENT = "sent"
    """The cloud holds it; the file stays for a day unless room is needed."""
    UNWANTED = "unwanted"
    """The cloud did not want it when asked; it may still ask."""
    GONE = "gone"
    """Evicted, missing or refused; no file any more."""


@dataclass(frozen=True, slots=True)
class StoredImage:
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Backlog:
    """What the cloud does not hold yet."""

    count: int = 0
    bytes: int = 0
    images_waiting: int = 0


@dataclass(slots=True)
class Tail:
    """Where one stream stands; the store's memory of its last committed row."""

    kind: StreamKind
    id: str
    base_seq: int
    acked_seq: int
    last_seq: int
    last_digest: str
    unacked_bytes: int


class Store:
    """Raises sqlite3.Error; the journal translates."""

    def __init__(self, path: Path, *, is_read_only: bool = False) -> None:
        self._path = path.absolute()  # a file URI has no relative form
        self._is_read_only = is_read_only
        self.tails: dict[StreamKind, Tail] = {}
        self._connect()

    def _connect(self) -> None:
        mode = "ro" if self._is_read_only else "rwc"
        # The journal opens it in one thread and hands it to the committer, which alone uses it from then on.
        self._db = sqlite3.connect(
            f"{self._path.as_uri()}?mode={mode}", uri=True, isolation_level=None, check_same_thread=False
        )
        # A text that the disk has hurt must show as a wrong digest, not as an error that no start gets past.
        self._db.text_factory = lambda text: text.decode(errors="replace")
        if not self._is_read_only:
            self._prepare()
        self.reload()

    def reopen(self) -> None:
        """Begin anew with the files as they are on the disk; for a connection that does not work any more."""
        with contextlib.suppress(sqlite3.Error):
            self._db.close()
        self._connect()

    def _prepare(self) -> None:
        self._db.execute("PRAGMA journal_mode = WAL")
        # FULL: every commit is fsynced. With NORMAL a power cut loses the last commits (docs/journal.md).
        self._db.execute("PRAGMA synchronous = FULL")
        # No other process writes; only one that reads after a crash holds it, for milliseconds.
        self._db.execute("PRAGMA busy_timeout = 1000")
        self._db.execute(f"PRAGMA journal_size_limit = {16 * 1024 * 1024}")
        if self._number("PRAGMA user_version") == 0:
            self._make()

    def _make(self) -> None:
        """Tables, streams and version in one transaction: a crash leaves either none or all of them."""
        self.begin()
        for statement in _SCHEMA:
            self._db.execute(statement)
        rows = [(kind.value, uuid.uuid4().hex, GENESIS_DIGEST) for kind in StreamKind]
        self._db.executemany("INSERT INTO stream VALUES (?, ?, 0, ?, 0)", rows)
        self._db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        self.commit()

    def _number(self, sql: str, *values: object) -> int:
        row = self._db.execute(sql, values).fetchone()
        return int(row[0] or 0) if row else 0

    # Transactions

    def begin(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        self._db.execute("COMMIT")

    def rollback(self) -> None:
        """Forget the open transaction, if any, and remember the last committed state."""
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")
        self.reload()

    def reload(self) -> None:
        """Raises sqlite3.DatabaseError also when the disk has hurt what a stream is."""
        rows = self._db.execute("SELECT kind, id, base_seq, base_digest, acked_seq FROM stream").fetchall()
        if {row[0] for row in rows} != set(StreamKind) or not all(map(_is_stream, rows)):
            raise sqlite3.DatabaseError("the streams are damaged")
        self.tails = {StreamKind(row[0]): self._tail(*row) for row in rows}

    def _tail(self, kind: str, stream_id: str, base_seq: int, base_digest: str, acked_seq: int) -> Tail:
        last = self._db.execute(
            "SELECT seq, digest FROM record WHERE kind = ? ORDER BY seq DESC LIMIT 1", (kind,)
        ).fetchone() or (base_seq, base_digest)
        unacked_bytes = self._number("SELECT sum(length(body)) FROM record WHERE kind = ? AND seq > ?", kind, acked_seq)
        return Tail(StreamKind(kind), stream_id, base_seq, acked_seq, last[0], last[1], unacked_bytes)

    def is_sound(self) -> bool:
        """SQLite's own look at the whole file, about 0.3 s per 100 MB, and that no mark is beyond the last record.

        A watermark that the disk has raised would keep records back without a word.
        """
        is_marked_right = all(max(tail.acked_seq, tail.base_seq) <= tail.last_seq for tail in self.tails.values())
        return is_marked_right and self._db.execute("PRAGMA quick_check(1)").fetchone() == ("ok",)

    def close(self) -> None:
        self._db.close()

    # Records

    def append(self, kind: StreamKind, body: bytes) -> int:
        tail = self.tails[kind]
        seq, digest = tail.last_seq + 1, chain_digest(tail.last_digest, [body])
        self._db.execute("INSERT INTO record VALUES (?, ?, ?, ?)", (kind.value, seq, body, digest))
        tail.last_seq, tail.last_digest = seq, digest
        tail.unacked_bytes += len(body)
        return seq

    def batch(self, kind: StreamKind, limit: int) -> Batch | None:
        """The first records after the watermark that are still held; None when the cloud has them all."""
        tail = self.tails[kind]
        first_seq = max(tail.acked_seq, tail.base_seq) + 1
        if first_seq > tail.last_seq:
            return None
        rows = self._db.execute(
            "SELECT body, digest FROM record WHERE kind = ? AND seq >= ? ORDER BY seq LIMIT ?",
            (kind.value, first_seq, limit),
        )
        items: list[msgspec.Raw] = []
        size_bytes = 0
        digest_before = digest_after = self.digest_at(kind, first_seq - 1)
        for body, digest in rows:
            size_bytes += len(body)
            if items and size_bytes > BATCH_BYTES_MAX:
                break
            items.append(msgspec.Raw(body))
            digest_after = digest
        return Batch(
            stream=tail.id,
            kind=kind,
            first_seq=first_seq,
            digest_before=digest_before,
            digest_after=digest_after,
            items=items,
        )

    def digest_at(self, kind: StreamKind, seq: int) -> str:
        """The running digest after `seq`, which is held or the base."""
        row = self._db.execute("SELECT digest FROM record WHERE kind = ? AND seq = ?", (kind.value, seq)).fetchone()
        if row is None:
            row = self._db.execute("SELECT base_digest FROM stream WHERE kind = ?", (kind.value,)).fetchone()
        if row is None:
            raise sqlite3.DatabaseError("the streams are damaged")
        return str(row[0])

    def rows_after(self, kind: StreamKind, seq: int) -> Iterable[tuple[int, bytes, str]]:
        """As they lie on the disk. The plus signs keep SQLite from a search, which a hurt key would end too early."""
        sql = "SELECT seq, body, digest FROM record WHERE +kind = ? AND +seq > ?"
        return self._db.execute(sql, (kind.value, seq))

    def rows_until(self, kind: StreamKind, seq: int) -> Iterable[tuple[int, bytes, str]]:
        sql = "SELECT seq, body, digest FROM record WHERE +kind = ? AND +seq <= ?"
        return self._db.execute(sql, (kind.value, seq))

    def set_aside(self, kind: StreamKind, seq: int, body: bytes | None, found_ms: int) -> None:
        self._db.execute("INSERT INTO damaged VALUES (?, ?, ?, ?)", (kind.value, seq, body, found_ms))

    def rebuild(self, rows: Iterable[Row]) -> None:
        """Replace all records, in a new tree: one with hurt keys cannot be changed row by row."""
        self._db.execute("ALTER TABLE record RENAME TO record_hurt")
        self._db.execute(_RECORD_TABLE)
        self._db.executemany("INSERT OR IGNORE INTO record VALUES (?, ?, ?, ?)", rows)
        self._db.execute("DROP TABLE record_hurt")

    # Acknowledgements

    def acked(self, kind: StreamKind, watermark: int, now_ms: int) -> None:
        """Remember the cloud's watermark, higher or lower than before, and the minute it was heard of."""
        tail = self.tails[kind]
        low, high = sorted((tail.acked_seq, watermark))
        # Only what lies between the two marks is counted: a 72 h backlog is acknowledged in hundreds of steps.
        between_bytes = self._number(
            "SELECT sum(length(body)) FROM record WHERE kind = ? AND seq > ? AND seq <= ?", kind.value, low, high
        )
        tail.unacked_bytes += between_bytes if watermark < tail.acked_seq else -between_bytes
        tail.acked_seq = watermark
        self._db.execute("UPDATE stream SET acked_seq = ? WHERE kind = ?", (watermark, kind.value))
        self._db.execute("DELETE FROM ack WHERE kind = ? AND watermark > ?", (kind.value, watermark))
        # One row a minute, not a stamp per record: retention then costs nothing per record.
        self._db.execute("INSERT OR REPLACE INTO ack VALUES (?, ?, ?)", (kind.value, now_ms // 60_000, watermark))

    def forget_acked(self, kind: StreamKind, before_ms: int, limit: int) -> None:
        """Remove at most `limit` records that were acknowledged before `before_ms`, oldest first."""
        tail = self.tails[kind]
        heard = self._number(
            "SELECT max(watermark) FROM ack WHERE kind = ? AND minute < ?", kind.value, before_ms // 60_000
        )
        new_base = min(heard, tail.acked_seq, tail.base_seq + limit)
        if new_base <= tail.base_seq:
            return
        digest = self.digest_at(kind, new_base)
        self._db.execute("DELETE FROM record WHERE kind = ? AND seq <= ?", (kind.value, new_base))
        self._db.execute(
            "UPDATE stream SET base_seq = ?, base_digest = ? WHERE kind = ?", (new_base, digest, kind.value)
        )
        tail.base_seq = new_base

    # Images

    def image_state(self, sha256: str) -> ImageState | None:
        row = self._db.execute("SELECT state FROM image WHERE sha256 = ?", (sha256,)).fetchone()
        return ImageState(row[0]) if row else None

    def image_keep(self, image: StoredImage, *, seq: int, now_ms: int) -> None:
        values = (image.sha256, image.size_bytes, ImageState.WAITING.value, seq, now_ms)
        self._db.execute("INSERT OR REPLACE INTO image VALUES (?, ?, ?, ?, ?)", values)

    def image_move(self, sha256: str, *, old: tuple[ImageState, ...], new: ImageState) -> bool:
        """Move only from one of `old`. False: it was not there."""
        marks = ", ".join("?" * len(old))
        moved = self._db.execute(
            f"UPDATE image SET state = ? WHERE sha256 = ? AND state IN ({marks})",  # noqa: S608  only question marks
            (new.value, sha256, *(state.value for state in old)),
        )
        return moved.rowcount == 1

    def image_next(self) -> StoredImage | None:
        """What to upload next: first what the cloud asked for, then what an acknowledged record speaks of."""
        row = self._db.execute(
            "SELECT sha256, size_bytes FROM image WHERE state = ? OR (state = ? AND seq <= ?)"
            " ORDER BY state = ? DESC, seq LIMIT 1",
            ("wanted", "waiting", self.tails[StreamKind.INSPECTION].acked_seq, "wanted"),
        ).fetchone()
        return StoredImage(*row) if row else None

    def images_in(self, *states: ImageState) -> list[StoredImage]:
        """Oldest first."""
        marks = ", ".join("?" * len(states))
        rows = self._db.execute(
            f"SELECT sha256, size_bytes FROM image WHERE state IN ({marks}) ORDER BY seq",  # noqa: S608
            [state.value for state in states],
        )
        return [StoredImage(*row) for row in rows]

    def images_forget(self, before_ms: int) -> list[str]:
        """Remove rows of images that are done with and old. Returns whose files can go."""
        rows = self._db.execute(
            "DELETE FROM image WHERE state IN ('sent', 'unwanted', 'gone') AND stored_ms < ? RETURNING sha256",
            (before_ms,),
        )
        return [row[0] for row in rows.fetchall()]

    # Facts

    def newest_ms(self) -> int:
        """The newest stamp of an acknowledgement or an image; 0 when there is none."""
        minute = self._number("SELECT max(minute) FROM ack")
        return max(minute * 60_000, self._number("SELECT max(stored_ms) FROM image"))

    def record_bytes(self) -> int:
        """What the records take of the disk, the unfilled pages of the file not counted."""
        pages = self._number("PRAGMA page_count") - self._number("PRAGMA freelist_count")
        return pages * self._number("PRAGMA page_size")

    def image_bytes(self) -> int:
        return self._number("SELECT sum(size_bytes) FROM image WHERE state != 'gone'")

    def images_waiting(self) -> int:
        return self._number("SELECT count(*) FROM image WHERE state IN ('waiting', 'wanted')")

    def states(self) -> list[StreamState]:
        return [StreamState(stream=tail.id, kind=tail.kind, last_seq=tail.last_seq) for tail in self.tails.values()]

    def backlog(self) -> Backlog:
        count = sum(tail.last_seq - tail.acked_seq for tail in self.tails.values())
        size_bytes = sum(tail.unacked_bytes for tail in self.tails.values())
        return Backlog(count=count, bytes=size_bytes, images_waiting=self.images_waiting())


def _is_stream(row: tuple[str, str, int, str, int]) -> bool:
    _, stream_id, base_seq, base_digest, acked_seq = row
    return bool(_HEX_32.fullmatch(stream_id) and _HEX_32.fullmatch(base_digest) and base_seq >= 0 and acked_seq >= 0)
