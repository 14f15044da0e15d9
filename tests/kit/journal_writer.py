"""A line and a journal without the rest of a device, for tests that break the disk under a whole process.

`python -m tests.kit.journal_writer FOLDER TOLD COUNT [--hasty]` writes COUNT results, every third one with an image,
and tells each in TOLD. `--hasty` is the planted bug: a verdict is promised before it is durable.
"""

import contextlib
import sys
from pathlib import Path

from edge_agent.clock import SystemClock
from edge_agent.journal import ImageFile, Journal, JournalError, JournalUnavailable
from edge_agent.line.outputs import LinesOutput, Told
from edge_agent.wire.records import ImageKept, Result
from edge_agent.wire.words import FlagReason, Verdict

RECORD_WAIT_S = 10.0
OPEN_TRIES_MAX = 20


def record(number: int, image: ImageFile | None) -> Result:
    kept = image and ImageKept(sha256=image.sha256, size_bytes=len(image.encoded), reason=FlagReason.RANDOM_SAMPLE)
    return Result(at_ms=number, line="line-1", item=f"part-{number}", verdict=Verdict.OK, image=kept)


def opened(folder: Path) -> Journal:
    """As a service manager would: tried again, a few times."""
    for _ in range(OPEN_TRIES_MAX):
        with contextlib.suppress(JournalUnavailable):
            return Journal(folder, SystemClock())
    sys.exit(1)


def main() -> None:
    folder, told_file, count = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    is_hasty = "--hasty" in sys.argv
    output = LinesOutput(told_file)
    journal = opened(folder)
    first = journal.streams()[0].last_seq
    for number in range(first + 1, first + count + 1):
        image = ImageFile.of(b"\x89PNG" + number.to_bytes(8, "big") * 500) if number % 3 == 0 else None
        seq: int | None = number
        try:
            ticket = journal.submit(record(number, image), images=[image] if image else [])
            if not is_hasty:
                seq = ticket.wait(RECORD_WAIT_S)
        except JournalError:
            seq = None
        output.tell(Told(item=f"part-{number}", verdict=Verdict.OK, label="", cannot_judge=None, seq=seq, total_ms=1.0))
    journal.close()


if __name__ == "__main__":
    main()
