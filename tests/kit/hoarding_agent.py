"""A device with a planted bug, for the negative control of F12: it takes its whole backlog into memory at start."""

import sys
from pathlib import Path

from edge_agent.__main__ import log_to_stderr, run_agent
from edge_agent.agent import Agent
from edge_agent.journal import Journal
from edge_agent.wire.codec import decode_record
from edge_agent.wire.words import StreamKind


class HoardingJournal(Journal):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        bodies = [body for _, body, _ in self._store.rows_after(StreamKind.INSPECTION, 0)]
        self._hoard = [(body, decode_record(body)) for body in bodies]


if __name__ == "__main__":
    log_to_stderr()
    config_file = Path(sys.argv[sys.argv.index("--config") + 1])
    sys.exit(run_agent(config_file, lambda config, clock: Agent(config, clock, open_journal=HoardingJournal)))
