"""What a check-in says of its device."""

from datetime import datetime

from django.db import transaction
from django.db.models.functions import Greatest

from apps.core.doorbell import ring
from apps.telemetry.events import ControlArrived
from apps.telemetry.models import Stream
from apps.telemetry.services.facts import digest_learn, facts_of, facts_save
from edge_agent.wire.codec import GENESIS_DIGEST
from edge_agent.wire.messages import CheckinRequest, StreamState

STREAMS_MAX = 8
"""An agent has two; more would only fill the table."""
_CLOCK_OFFSET_MAX_MS = 2**62
_REVISION_MAX = 2**31 - 1


@transaction.atomic
def checkin_store(*, device_id: str, request: CheckinRequest, now: datetime) -> None:
    """Remember what the device runs, how its clock stands and how many records it has written."""
    # Streams before facts, as in `batches_store`: the same order of locks everywhere.
    for stream in sorted(request.streams[:STREAMS_MAX], key=lambda state: state.stream):
        _issued_learn(device_id, stream)
    facts = facts_of([device_id])[device_id]
    had_digest = facts.active_digest
    facts.last_seen_at = now
    offset_ms = request.at_ms - int(now.timestamp() * 1000)
    facts.clock_offset_ms = max(-_CLOCK_OFFSET_MAX_MS, min(offset_ms, _CLOCK_OFFSET_MAX_MS))
    facts.agent_version = request.agent_version[:40]
    facts.configuration_revision = min(request.configuration_revision, _REVISION_MAX)
    facts.previous_digest = request.previous_digest
    digest_learn(facts, request.active_digest, now)
    facts_save([facts])
    if facts.active_digest != had_digest:
        ring(ControlArrived(device_id))


def _issued_learn(device_id: str, state: StreamState) -> None:
    """A stream that is only announced counts too: its records are known to be on the device still."""
    Stream.objects.bulk_create(
        [Stream(id=state.stream, device_id=device_id, kind=str(state.kind), digest=GENESIS_DIGEST)],
        ignore_conflicts=True,
    )
    own = Stream.objects.filter(pk=state.stream, device_id=device_id, issued__lt=state.last_seq)
    own.update(issued=Greatest("issued", min(state.last_seq, 2**62)))
