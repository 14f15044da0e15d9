"""A device with a planted bug, for the negative control of F14: its timers go by the wall clock."""

import sys
import time
from pathlib import Path

from edge_agent.__main__ import log_to_stderr, run_agent
from edge_agent.agent import Agent
from edge_agent.clock import SystemClock


class WallClock(SystemClock):
    def monotonic_s(self) -> float:
        return time.time()


if __name__ == "__main__":
    log_to_stderr()
    config_file = Path(sys.argv[sys.argv.index("--config") + 1])
    sys.exit(run_agent(config_file, lambda config, clock: Agent(config, WallClock())))
