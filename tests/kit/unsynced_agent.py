"""A device with a planted bug, for the negative control of F02: its commits are not synced one by one."""

import sys
from pathlib import Path

from edge_agent.__main__ import log_to_stderr, run_agent
from edge_agent.agent import Agent
from edge_agent.journal import Journal


class UnsyncedJournal(Journal):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._store._db.execute("PRAGMA synchronous = NORMAL")


if __name__ == "__main__":
    log_to_stderr()
    config_file = Path(sys.argv[sys.argv.index("--config") + 1])
    sys.exit(run_agent(config_file, lambda config, clock: Agent(config, clock, open_journal=UnsyncedJournal)))
