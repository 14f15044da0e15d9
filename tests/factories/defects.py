from datetime import UTC, datetime
from uuid import UUID, uuid4

import factory
from factory.django import DjangoModelFactory

from apps.defects.models import FlaggedImage
from apps.defects.services import FlagFacts, Opinion
from apps.defects.states import Answer, ReviewState
from tests.factories.devices import DeviceFactory

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


class FlagFactory(DjangoModelFactory):
    """An image that has arrived and waits for a reviewer."""

    class Meta:
        model = FlaggedImage

    device = factory.SubFactory(DeviceFactory)
    stream_id = factory.LazyFunction(lambda: uuid4().hex)
    seq = factory.Sequence(lambda n: n + 1)
    sha256 = factory.Sequence(lambda n: f"{n + 1:064x}")
    size_bytes = 100
    at = NOON
    arrived_at = NOON
    line = "L1"
    item = factory.Sequence(lambda n: f"item-{n}")
    verdict = "defect"
    label = "defect"
    score_ratio = 0.5
    threshold_ratio = 0.5
    reason = "low_confidence"
    selection_ratio = 1.0
    state = ReviewState.WAITING
    rank = 0.5


def flag_facts(device, seq: int = 1, **changes) -> FlagFacts:
    values = {
        "device_id": device.pk,
        "stream_id": "a" * 32,
        "seq": seq,
        "sha256": "c" * 64,
        "size_bytes": 100,
        "at": NOON,
        "line": "L1",
        "item": "item-1",
        "product": "Cell",
        "lot": "1",
        "verdict": "defect",
        "label": "defect",
        "score_ratio": 0.5,
        "threshold_ratio": 0.5,
        "model_digest": None,
        "reason": "low_confidence",
        "selection_ratio": 1.0,
        "source": "",
    }
    return FlagFacts(**(values | changes))


def opinion(answer: Answer = Answer.GOOD, uuid: UUID | None = None, **changes) -> Opinion:
    return Opinion(uuid=uuid or uuid4(), answer=answer, **changes)
