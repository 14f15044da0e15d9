"""People's requests for the next so many images: each is served once, over restarts too."""

import threading
from collections.abc import Sequence
from pathlib import Path

import msgspec

from edge_agent.durable import write_durably
from edge_agent.wire.configuration import ImageRequest


class RequestBook:
    """Counts what was given. Safe to share between the cameras of a device.

    `save` is called by whoever may wait for the disk, about once a second: after a power cut at most what was given
    since is given again.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._given = _read(file) if file else {}
        self._saved = dict(self._given)

    def take(self, requests: Sequence[ImageRequest], line: str) -> bool:
        """Give one image of this line to the first request that still wants one. False: none does."""
        with self._lock:
            for request in requests:
                is_open = self._given.get(request.request_id, 0) < request.count
                if is_open and request.line in ("", line):
                    self._given[request.request_id] = self._given.get(request.request_id, 0) + 1
                    return True
        return False

    def save(self, requests: Sequence[ImageRequest]) -> None:
        """Forget those that are asked no more, and make the rest durable. Raises OSError."""
        asked = {request.request_id for request in requests}
        with self._lock:
            self._given = {name: count for name, count in self._given.items() if name in asked}
            given = dict(self._given)
        if self._file is not None and given != self._saved:
            write_durably(self._file, msgspec.json.encode(given))
            self._saved = given


def _read(file: Path) -> dict[str, int]:
    """Empty when there is none; a damaged one costs images given twice, never the line."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, int])
    except (OSError, msgspec.DecodeError):
        return {}
