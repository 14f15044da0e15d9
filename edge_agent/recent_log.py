"""The last lines of the agent's own log, in memory, for whoever asks from afar."""

import logging
from collections import deque

KEPT_LINES = 2000
LINE_CHARS_MAX = 500


class RecentLog(logging.Handler):
    """Attach to the agent's logger. Costs at most about a megabyte."""

    def __init__(self, *, kept_lines: int = KEPT_LINES) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(threadName)s %(name)s %(message)s"))
        self._lines: deque[tuple[int, str]] = deque(maxlen=kept_lines)

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append((record.levelno, self.format(record)[:LINE_CHARS_MAX]))

    def tail(self, line_count: int, *, level: int = logging.DEBUG, chars_max: int = 20_000) -> str:
        """The newest lines of at least `level`, oldest first, as many as fit."""
        taken: list[str] = []
        left_chars = chars_max
        for _, line in reversed([one for one in list(self._lines) if one[0] >= level][-line_count:]):
            left_chars -= len(line) + 1
            if left_chars < 0:
                break
            taken.append(line)
        return "\n".join(reversed(taken))
