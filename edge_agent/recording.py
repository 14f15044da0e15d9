"""The journal as the parts beside the line see it."""

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
