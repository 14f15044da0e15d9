"""What is done at open about a journal that the disk has hurt: set aside, say so, go on."""

import logging
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from edge_agent.journal.store import Store
from edge_agent.wire.codec import chain_digest, encode
from edge_agent.wire.records import Tombstone
from edge_agent.wire.words import StreamKind

logger = logging.getLogger(__name__)


def open_sound(path: Path, now_ms: int) -> tuple[Store, str]:
    """A store that works, and a sentence about what was damaged ("" when nothing was).

    A file that SQLite cannot read is set aside whole, and new streams begin. A row that doesn't fit its digest
    is set aside alone. Raises sqlite3.Error when even a new file cannot be made.
    """
    store = _open_or_none(path)
    if store is not None:
        count = _mend_rows(store, now_ms)
        return store, f"{count} damaged records set aside" if count else ""
    aside = path.parent / f"damaged-{now_ms}"
    aside.mkdir()
    for part in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        if part.exists():
            part.rename(aside / part.name)
    logger.error("journal_damaged set_aside=%s", aside.name)
    return Store(path), f"the journal could not be read and was set aside as {aside.name}"


def _open_or_none(path: Path) -> Store | None:
    try:
        store = Store(path)
        if store.is_sound():
            return store
        store.close()
    except sqlite3.OperationalError:
        # Locked, full or read-only: the file itself may be well, so it stays where it is.
        raise
    except sqlite3.DatabaseError as exc:
        logger.warning("journal_unreadable error=%s", exc)
    return None


def _mend_rows(store: Store, now_ms: int) -> int:
    """Put a tombstone in the place of each damaged record that the cloud does not hold; the numbers stay dense.

    The running digest is computed anew from the first one on. Should the cloud hold that record after all, its
    acknowledgement having been lost, then it will refuse the stream by digest, which is loud, not silent.
    """
    store.begin()
    count = sum(_mend_stream(store, kind, now_ms) for kind in StreamKind)
    store.commit()
    if count:
        store.reload()
    return count


def _mend_stream(store: Store, kind: StreamKind, now_ms: int) -> int:
    start_seq = max(store.tails[kind].acked_seq, store.tails[kind].base_seq)
    bad = dict(_damaged(store, kind, start_seq))
    if not bad:
        return 0
    first_bad = min(bad)
    for seq, body in bad.items():
        store.set_aside(kind, seq, body, now_ms)
        logger.warning("journal_row_damaged stream=%s seq=%d", kind.value, seq)
    store.rewrite(kind, list(_mended(store, kind, first_bad, bad, now_ms)))
    return len(bad)


def _damaged(store: Store, kind: StreamKind, start_seq: int) -> Iterator[tuple[int, bytes | None]]:
    stored = computed = store.digest_at(kind, start_seq)
    expected_seq = start_seq + 1
    for seq, body, digest in store.rows_after(kind, start_seq):
        for missing in range(expected_seq, seq):
            yield missing, None
        # After a gap nothing can be said of the next row; after a hurt digest it still fits what we computed.
        if seq == expected_seq and not (_follows(stored, body, digest) or _follows(computed, body, digest)):
            yield seq, body
        computed = chain_digest(stored, [body]) if _is_digest(stored) else digest
        stored, expected_seq = digest, seq + 1


def _follows(before: str, body: bytes, digest: str) -> bool:
    return _is_digest(before) and chain_digest(before, [body]) == digest


def _is_digest(text: str) -> bool:
    return re.fullmatch("[0-9a-f]{32}", text) is not None


def _mended(
    store: Store, kind: StreamKind, first_bad: int, bad: dict[int, bytes | None], now_ms: int
) -> Iterator[tuple[int, bytes, str]]:
    digest = store.digest_at(kind, first_bad - 1)
    tombstone = encode(Tombstone(at_ms=now_ms, lost_kind="record", count=1, reason="damaged on disk"))
    held = {seq: body for seq, body, _ in store.rows_after(kind, first_bad - 1)}
    for seq in range(first_bad, store.tails[kind].last_seq + 1):
        body = tombstone if seq in bad else held[seq]
        digest = chain_digest(digest, [body])
        yield seq, body, digest
