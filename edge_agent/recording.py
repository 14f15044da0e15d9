"""The journal as the parts beside the line see it."""

import logging
from typing import Protocol

from edge_agent.wire.messages import StreamAck, StreamState
from edge_agent.wire.records import Record


class RecordSink(Protocol):
    def append(self, record: Record) -> int:
        """Write one record; its number. On return it survives `kill -9` and a power cut."""
        ...


class StreamLedger(RecordSink, Protocol):
    def streams(self) -> list[StreamState]: ...

    def acked(self, ack: StreamAck) -> None:
        """The cloud's watermark of a stream; a lower one than before makes the rest go out again."""
        ...


class TroubleLog:
    """Says once that a trouble began and once that it is over, not once per turn."""

    def __init__(self, logger: logging.Logger, event: str) -> None:
        self._logger = logger
        self._event = event
        self._is_on = False

    def note(self, error: Exception) -> None:
        if not self._is_on:
            self._logger.error("%s kind=%s error=%s", self._event, type(error).__name__, error)
        self._is_on = True

    def over(self) -> None:
        if self._is_on:
            self._logger.info("%s_over", self._event)
        self._is_on = False
