"""A device with a planted bug, for the negative control of F01: it promises records before they are durable."""

import queue
import sys
import threading
from pathlib import Path

from edge_agent.__main__ import log_to_stderr, run_agent
from edge_agent.agent import Agent
from edge_agent.journal import Journal, Ticket
from edge_agent.wire.records import STREAM_OF_RECORD
from edge_agent.wire.words import StreamKind

LATENESS_S = 0.03
"""Slower than the takt, so that some records are always on their way."""


class HastyJournal(Journal):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._next = next(state.last_seq for state in self.streams() if state.kind is StreamKind.INSPECTION) + 1
        self._late = queue.SimpleQueue()
        threading.Thread(target=self._write_late, daemon=True).start()

    def submit(self, record, *, images=()):
        if STREAM_OF_RECORD[type(record)] is not StreamKind.INSPECTION:
            return super().submit(record, images=images)
        ticket = Ticket()
        ticket.keep(self._next)
        self._next += 1
        self._late.put((record, images))
        return ticket

    def _write_late(self):
        while True:
            record, images = self._late.get()
            threading.Event().wait(LATENESS_S)
            super().submit(record, images=images)


if __name__ == "__main__":
    log_to_stderr()
    config_file = Path(sys.argv[sys.argv.index("--config") + 1])
    sys.exit(run_agent(config_file, lambda config, clock: Agent(config, clock, open_journal=HastyJournal)))
