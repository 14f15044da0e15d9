"""The desired state of one device, composed from what the apps decided."""

import hashlib
from datetime import datetime

import msgspec
from django.conf import settings

from apps.devices.selectors import configuration_desired
from apps.devices.services import commands_deliver
from apps.gateway.http import server_time_ms
from apps.models.selectors import target_path
from apps.rollouts.selectors import offer_for
from apps.telemetry.selectors import watermarks
from apps.telemetry.services import checkin_store
from edge_agent.wire.codec import encode
from edge_agent.wire.messages import CheckinRequest, Command, DesiredState, ModelOffer, StreamAck

INTERVAL_WIDENING = 4.0
"""Under full load a device comes back after so many times the usual interval, beside the usual one."""


def check_in(device_id: str, request: CheckinRequest, *, load_ratio: float, now: datetime) -> DesiredState:
    """Remember what the device said and tell it what the cloud wants. load_ratio: 0 to 1, of this gateway."""
    checkin_store(device_id=device_id, request=request, now=now)
    revision, configuration = configuration_desired(device_id=device_id)
    state = DesiredState(
        revision="",
        checkin_interval_s=settings.CHECKIN_INTERVAL_S * (1.0 + INTERVAL_WIDENING * load_ratio),
        server_time_ms=0,
        model=_offer(device_id),
        configuration_revision=revision,
        configuration=msgspec.Raw(encode(configuration)),
        commands=_commands(device_id, now),
    )
    return msgspec.structs.replace(
        state, revision=_fingerprint(state), server_time_ms=server_time_ms(), streams=_acks(device_id, request)
    )


def _offer(device_id: str) -> ModelOffer | None:
    offer = offer_for(device_id)
    if offer is None:
        return None
    version = offer.version
    return ModelOffer(
        target_id=offer.target_id,
        name=version.model.name,
        version=str(version.number),
        target_path=target_path(version),
        digest=version.digest,
        size_bytes=version.size_bytes,
        probation_items=offer.probation_items,
        probation_s=offer.probation_s,
        max_error_ratio=offer.max_error_ratio,
        max_p95_ms=offer.max_p95_ms,
    )


def _commands(device_id: str, now: datetime) -> list[Command]:
    return [
        Command(
            command_id=str(command.pk),
            kind=command.kind,
            arguments=command.arguments,
            expires_in_s=(command.next_look_at - now).total_seconds(),
        )
        for command in commands_deliver(device_id=device_id, now=now)
    ]


def _acks(device_id: str, request: CheckinRequest) -> list[StreamAck]:
    """Only the streams that the device spoke of: what it had before a reinstallation is not its concern."""
    stored = watermarks(device_id=device_id)
    spoken_of = [state.stream for state in request.streams if state.stream in stored]
    return [StreamAck(stream=stream, watermark=stored[stream]) for stream in spoken_of]


def _fingerprint(state: DesiredState) -> str:
    """The same wishes give the same revision, from whichever process."""
    lasting = msgspec.structs.replace(
        state,
        checkin_interval_s=0.0,
        commands=[msgspec.structs.replace(one, expires_in_s=0.0) for one in state.commands],
    )
    return hashlib.sha256(encode(lasting)).hexdigest()[:16]
