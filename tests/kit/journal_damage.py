"""F13: hurt the files of a journal at seeded places, open it, and count what is gone and what it says of that."""

import random
import shutil
from dataclasses import dataclass
from pathlib import Path

from edge_agent.clock import SystemClock
from edge_agent.journal import Journal
from edge_agent.wire.codec import GENESIS_DIGEST, chain_digest, decode_record
from edge_agent.wire.messages import BATCH_ITEMS_MAX
from edge_agent.wire.records import Alarm, Result, Tombstone
from edge_agent.wire.words import AlarmCode, StreamKind, Verdict

RECORD_COUNT = 300
NEW_AT_MS = 9_999


def result(number: int) -> Result:
    return Result(at_ms=number, line="line-1", item=f"part-{number}", verdict=Verdict.OK)


def write_journals(folder: Path) -> None:
    """One that was closed, and one as a crash leaves it, with its log beside it."""
    journal = Journal(folder / "closed", SystemClock())
    for ticket in [journal.submit(result(number)) for number in range(RECORD_COUNT)]:
        ticket.wait(30)
    shutil.copytree(folder / "closed", folder / "crashed")
    journal.close()


def hurt(file: Path, chance: random.Random) -> str:
    content = bytearray(file.read_bytes())
    at = chance.randrange(len(content))
    how = chance.choice(["flip", "zero", "cut"])
    match how:
        case "flip":
            content[at] ^= 1 << chance.randrange(8)
        case "zero":
            content[at : at + 512] = bytes(len(content[at : at + 512]))
        case "cut":
            del content[at:]
    file.write_bytes(content)
    return how


def hurt_somewhere(folder: Path, chance: random.Random) -> str:
    files = [file for file in folder.glob("journal.db*") if file.stat().st_size and not file.name.endswith("-shm")]
    return hurt(chance.choice(sorted(files)), chance)


@dataclass(frozen=True)
class Opened:
    """What a hurt journal is after its next start."""

    is_dense: bool
    """Numbers from 1 on without a gap, a digest that fits, and the new record at the end or before a last tombstone."""
    forged: list[str]
    """Results that were never written like that."""
    lost_count: int
    buried_count: int
    is_set_aside: bool
    is_alarm_there: bool
    is_whole_at_next_start: bool


def open_hurt(folder: Path) -> Opened:
    journal = Journal(folder, SystemClock())
    try:
        journal.append(result(NEW_AT_MS))
        batch = journal.batch(StreamKind.INSPECTION, BATCH_ITEMS_MAX)
        control = journal.batch(StreamKind.CONTROL, BATCH_ITEMS_MAX)
        seq = next(state.last_seq for state in journal.streams() if state.kind is StreamKind.INSPECTION)
    finally:
        journal.close()
    records = [decode_record(item) for item in batch.items]
    alarms = [record for record in map(decode_record, control.items if control else []) if isinstance(record, Alarm)]
    found = [record for record in records if isinstance(record, Result)]
    written = {number: result(number) for number in [*range(RECORD_COUNT), NEW_AT_MS]}
    return Opened(
        is_dense=(batch.first_seq, len(records)) == (1, seq)
        and chain_digest(GENESIS_DIGEST, batch.items) == batch.digest_after
        and result(NEW_AT_MS) in records[-2:],
        forged=[record.item for record in found if written.get(record.at_ms) != record],
        lost_count=RECORD_COUNT + 1 - len({record.item for record in found}),
        buried_count=sum(record.count for record in records if isinstance(record, Tombstone)),
        is_set_aside=any(folder.glob("damaged-*")),
        is_alarm_there=any(alarm.code is AlarmCode.JOURNAL_DAMAGED for alarm in alarms),
        is_whole_at_next_start=_is_whole(folder, seq),
    )


def _is_whole(folder: Path, seq: int) -> bool:
    """Opened once more: nothing more is found, and nothing more is lost."""
    aside_before = len(list(folder.glob("damaged-*")))
    journal = Journal(folder, SystemClock())
    try:
        batch = journal.batch(StreamKind.INSPECTION, BATCH_ITEMS_MAX)
    finally:
        journal.close()
    return len(batch.items) == seq and len(list(folder.glob("damaged-*"))) == aside_before
