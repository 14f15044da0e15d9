import uuid
from datetime import UTC, datetime

import factory
import msgspec
from factory.django import DjangoModelFactory

from apps.telemetry.models import DeviceFacts, Window
from apps.telemetry.models import Stream as StreamRow
from apps.telemetry.services import ReceivedBatch, read_batch
from edge_agent.contract.sketches import QuantileSketch
from edge_agent.wire.codec import GENESIS_DIGEST, chain_digest, encode
from edge_agent.wire.messages import Batch
from edge_agent.wire.records import Result, Timing
from edge_agent.wire.words import StreamKind, Verdict
from tests.factories.devices import DeviceFactory

NOON_MS = int(datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp() * 1000)


def result(number: int = 1, **changes) -> Result:
    values = {
        "at_ms": NOON_MS + number * 800,
        "line": "L1",
        "item": f"item-{number}",
        "verdict": Verdict.OK,
        "score_ratio": 0.1,
        "threshold_ratio": 0.5,
        "model_digest": "a" * 64,
        "timing": Timing(infer_ms=9.0, total_ms=20.0),
    }
    return Result(**(values | changes))


class Journal:
    """A device's stream as the device would cut it: numbers, bodies and running digests."""

    def __init__(self, kind: StreamKind = StreamKind.INSPECTION, stream: str | None = None) -> None:
        self.kind = kind
        self.stream = stream or uuid.uuid4().hex
        self.bodies: list[bytes] = []
        self.digests = [GENESIS_DIGEST]

    def write(self, *records: msgspec.Struct | bytes) -> "Journal":
        for record in records:
            body = record if isinstance(record, bytes) else encode(record)
            self.bodies.append(body)
            self.digests.append(chain_digest(self.digests[-1], [body]))
        return self

    def write_results(self, count: int) -> "Journal":
        start = len(self.bodies)
        return self.write(*(result(start + number) for number in range(1, count + 1)))

    def copy(self) -> "Journal":
        clone = Journal(self.kind, self.stream)
        clone.bodies, clone.digests = list(self.bodies), list(self.digests)
        return clone

    def batch(self, first_seq: int = 1, last_seq: int | None = None) -> Batch:
        last = last_seq or len(self.bodies)
        return Batch(
            stream=self.stream,
            kind=self.kind,
            first_seq=first_seq,
            digest_before=self.digests[first_seq - 1],
            digest_after=self.digests[last],
            items=[msgspec.Raw(body) for body in self.bodies[first_seq - 1 : last]],
        )

    def received(self, device, first_seq: int = 1, last_seq: int | None = None) -> ReceivedBatch:
        return read_batch(str(device.pk), self.batch(first_seq, last_seq))


def sketch_of(*values: float) -> dict:
    sketch = QuantileSketch()
    for value in values:
        sketch.add(value)
    return msgspec.to_builtins(sketch.to_wire(), str_keys=True)


class StreamFactory(DjangoModelFactory):
    class Meta:
        model = StreamRow

    id = factory.LazyFunction(lambda: uuid.uuid4().hex)
    device = factory.SubFactory(DeviceFactory)
    kind = StreamKind.INSPECTION.value
    digest = GENESIS_DIGEST


class DeviceFactsFactory(DjangoModelFactory):
    class Meta:
        model = DeviceFacts

    device = factory.SubFactory(DeviceFactory)


class WindowFactory(DjangoModelFactory):
    class Meta:
        model = Window

    device = factory.SubFactory(DeviceFactory)
    stream = factory.LazyAttribute(lambda window: StreamFactory(device=window.device))
    seq = factory.Sequence(lambda n: n + 1)
    start = datetime(2026, 11, 23, 12, tzinfo=UTC)
    arrived_at = factory.SelfAttribute("start")
    duration_s = 60.0
    line = "L1"
    model_digest = "a" * 64
    verdict_counts = factory.LazyFunction(lambda: {"ok": 70, "defect": 5})
    label_counts = factory.LazyFunction(dict)
    low_confidence_count = 0
    late_count = 0
    error_count = 0
    infer_sketch = factory.LazyFunction(lambda: sketch_of(9.0, 10.0))
    total_sketch = factory.LazyFunction(lambda: sketch_of(20.0, 30.0))
    score_sketch = factory.LazyFunction(lambda: sketch_of(10.0))
    backlog_count = 0
