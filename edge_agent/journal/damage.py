"""What is done at open about a journal that the disk has hurt: set aside, say so, go on."""

import contextlib
import logging
import re
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edge_agent.journal.store import Row, Store
from edge_agent.wire.codec import chain_digest, encode
from edge_agent.wire.records import Tombstone
from edge_agent.wire.words import StreamKind

logger = logging.getLogger(__name__)

GAP_MAX = 10_000
"""A number further ahead is no gap but a hurt number."""


@dataclass(frozen=True, slots=True)
class Damage:
    """What was found at open. text: a sentence, "" when all was well."""

    text: str = ""
    lost_count: int = 0
    """Records that the cloud does not have and that are set aside whole, so far as they could be counted."""


def open_sound(path: Path, now_ms: int) -> tuple[Store, Damage]:
    """A store that works, and what was damaged.

    A file that SQLite cannot read is set aside whole, and new streams begin. A row that doesn't fit its digest
    is set aside alone. Raises sqlite3.Error when even a new file cannot be made.
    """
    opened = _open_or_none(path, now_ms)
    if opened is not None:
        store, count = opened
        return store, Damage(f"{count} damaged records set aside" if count else "")
    lost_count = _unsent_count(path)
    aside = path.parent / f"damaged-{now_ms}"
    aside.mkdir()
    for part in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        if part.exists():
            part.rename(aside / part.name)
    logger.error("journal_damaged set_aside=%s lost_count=%d", aside.name, lost_count)
    return Store(path), Damage(f"the journal could not be read and was set aside as {aside.name}", lost_count)


def _unsent_count(path: Path) -> int:
    """How many records a file that is beyond repair still shows, from both ends; at least so many are lost."""
    with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
        # The only way to read what is left of a file that was cut.
        database.execute("PRAGMA writable_schema = ON")
        return sum(_last_seen(database, kind) - _acked_seen(database, kind) for kind in StreamKind)


def _acked_seen(database: sqlite3.Connection, kind: StreamKind) -> int:
    try:
        row = database.execute("SELECT acked_seq FROM stream WHERE kind = ?", (kind.value,)).fetchone()
    except sqlite3.DatabaseError:
        return 0
    return row[0] if row and isinstance(row[0], int) else 0


def _last_seen(database: sqlite3.Connection, kind: StreamKind) -> int:
    last_seq = _acked_seen(database, kind)
    for order in ("DESC LIMIT 1", "ASC"):
        with contextlib.suppress(sqlite3.DatabaseError):
            rows = database.execute(f"SELECT seq FROM record WHERE kind = ? ORDER BY seq {order}", (kind.value,))  # noqa: S608
            for (seq,) in rows:
                # A hurt number is no count.
                if isinstance(seq, int) and last_seq < seq <= last_seq + GAP_MAX:
                    last_seq = seq
    return last_seq


def _open_or_none(path: Path, now_ms: int) -> tuple[Store, int] | None:
    """The store and how many records were mended; None when the file is beyond that."""
    with contextlib.ExitStack() as on_failure:
        try:
            store = Store(path)
            on_failure.callback(store.close)
            count = _mend_rows(store, now_ms) if store.is_sound() else None
        except sqlite3.OperationalError:
            # Locked, full or read-only: the file itself may be well, so it stays where it is.
            raise
        except sqlite3.DatabaseError as exc:
            logger.warning("journal_unreadable error=%s", exc)
            return None
        if count is None:
            return None
        on_failure.pop_all()
        return store, count


def _mend_rows(store: Store, now_ms: int) -> int:
    """Put a tombstone in the place of each damaged record that the cloud does not hold; the numbers stay dense.

    The running digest is computed anew from the first one on. Should the cloud hold that record after all, its
    acknowledgement having been lost, then it will refuse the stream by digest, which is loud, not silent.
    """
    if all(_is_whole(store, kind) for kind in StreamKind):
        return 0
    rows: list[Row] = []
    count = 0
    store.begin()
    for kind in StreamKind:
        start_seq = _start_seq(store, kind)
        placed = list(place(store.rows_after(kind, start_seq), start_seq, store.digest_at(kind, start_seq)))
        for one in (one for one in placed if not one.is_right):
            store.set_aside(kind, one.seq, one.body, now_ms)
            logger.warning("journal_row_damaged stream=%s seq=%d", kind.value, one.seq)
            count += 1
        rows += ((kind.value, *row) for row in store.rows_until(kind, start_seq))
        rows += ((kind.value, *row) for row in _mended(placed, store.digest_at(kind, start_seq), now_ms))
    store.rebuild(rows)
    store.commit()
    store.reload()
    return max(count, 1)


def _is_whole(store: Store, kind: StreamKind) -> bool:
    start_seq, last_seq = _start_seq(store, kind), _start_seq(store, kind)
    for one in place(store.rows_after(kind, start_seq), start_seq, store.digest_at(kind, start_seq)):
        if not one.is_right or not one.is_key_right:
            return False
        last_seq = one.seq
    return last_seq == store.tails[kind].last_seq


def _start_seq(store: Store, kind: StreamKind) -> int:
    return max(store.tails[kind].acked_seq, store.tails[kind].base_seq)


@dataclass(frozen=True, slots=True)
class Placed:
    """What stands, or should stand, at one number. body: None when no row was found for it."""

    seq: int
    body: bytes | None
    is_right: bool
    is_key_right: bool = True


def place(rows: Iterable[tuple[int, bytes, str]], start_seq: int, start_digest: str) -> Iterator[Placed]:
    """Give each row, in the order in which they lie on the disk, the number that its digest proves. Pure.

    A row that continues the running digest stands where it belongs, whatever its own number says. After a gap
    nothing can be said of the next row; after a hurt digest it still continues what was computed.
    """
    stored = computed = start_digest
    next_seq = start_seq + 1
    for key, body, digest in rows:
        is_proved = _follows(stored, body, digest) or _follows(computed, body, digest)
        if not is_proved and next_seq < key <= next_seq + GAP_MAX:
            yield from (Placed(seq, None, is_right=False) for seq in range(next_seq, key))
            next_seq, is_proved = key, True
        yield Placed(next_seq, body, is_right=is_proved, is_key_right=key == next_seq)
        computed = chain_digest(stored, [body]) if _is_digest(stored) else digest
        stored, next_seq = digest, next_seq + 1


def _follows(before: str, body: bytes, digest: str) -> bool:
    return _is_digest(before) and chain_digest(before, [body]) == digest


def _is_digest(text: str) -> bool:
    return re.fullmatch("[0-9a-f]{32}", text) is not None


def _mended(placed: Iterable[Placed], digest: str, now_ms: int) -> Iterator[tuple[int, bytes, str]]:
    tombstone = encode(Tombstone(at_ms=now_ms, lost_kind="record", count=1, reason="damaged on disk"))
    for one in placed:
        body = one.body if one.is_right and one.body is not None else tombstone
        digest = chain_digest(digest, [body])
        yield one.seq, body, digest
