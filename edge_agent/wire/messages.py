"""Requests and replies of the device protocol, version 1."""

from typing import Annotated

import msgspec

from edge_agent.wire.manifest import Compatibility
from edge_agent.wire.records import NonNegative, Ratio, Sha256, ShortText, WallClockMs
from edge_agent.wire.words import OfferKind, StreamKind

StreamId = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")]
ChainDigest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")]

BATCH_ITEMS_MAX = 1_000
BODY_BYTES_MAX = 4 * 1024 * 1024
"""The largest request body after decompression."""
IMAGE_BYTES_MAX = 20 * 1024 * 1024


class ErrorReply(msgspec.Struct, frozen=True, kw_only=True):
    """The one shape of every refusal: a sentence for people, a stable code for programs."""

    error: str
    code: str
    fields: dict[str, str] = {}
    retry_after_s: float | None = None
    server_time_ms: int = 0


class Hardware(msgspec.Struct, frozen=True, kw_only=True):
    """What a package's compatibility is checked against."""

    machine: ShortText = ""
    cpu: ShortText = ""
    cpu_count: NonNegative = 0
    memory_bytes: NonNegative = 0
    engines: list[ShortText] = []
    cpu_flags: list[ShortText] = []
    """Of the instructions that inference runtimes choose by; other ones are not told."""


class EnrolRequest(msgspec.Struct, frozen=True, kw_only=True):
    code: ShortText
    public_key: Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_-]{43}$")]
    """Raw Ed25519 public key, base64url without padding. The private key never leaves the device."""
    agent_version: ShortText
    hardware: Hardware = Hardware()


class EnrolReply(msgspec.Struct, frozen=True, kw_only=True):
    device_id: str
    name: str
    site: str
    line: str
    server_time_ms: int
    tuf_root: bytes = b""
    """The first trusted root of the artifact repository, pinned at enrolment."""


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Consecutive records of one stream: numbers `first_seq` to `first_seq + len(items) - 1`."""

    stream: StreamId
    kind: StreamKind
    first_seq: Annotated[int, msgspec.Meta(ge=1, lt=2**62)]
    digest_before: ChainDigest
    digest_after: ChainDigest
    items: Annotated[list[msgspec.Raw], msgspec.Meta(max_length=BATCH_ITEMS_MAX)]
    """Encoded records, undecoded, so that one of an unknown kind cannot spoil the rest."""


class SyncRequest(msgspec.Struct, frozen=True, kw_only=True):
    batches: Annotated[list[Batch], msgspec.Meta(max_length=8)]


class StreamAck(msgspec.Struct, frozen=True, kw_only=True):
    """The cloud holds records 1 to `watermark` of this stream, durably."""

    stream: StreamId
    watermark: NonNegative


class SyncReply(msgspec.Struct, frozen=True, kw_only=True):
    acks: list[StreamAck]
    images_wanted: list[Sha256] = []
    server_time_ms: int = 0


class StreamState(msgspec.Struct, frozen=True, kw_only=True):
    stream: StreamId
    kind: StreamKind
    last_seq: NonNegative


class CheckinRequest(msgspec.Struct, frozen=True, kw_only=True):
    at_ms: WallClockMs
    agent_version: ShortText
    boot_id: ShortText = ""
    active_digest: Sha256 | None = None
    previous_digest: Sha256 | None = None
    configuration_revision: NonNegative = 0
    orders_revision: ShortText = ""
    streams: list[StreamState] = []
    hardware: Hardware = Hardware()
    extras: dict[ShortText, Sha256] = {}
    """By `OfferKind`, the digests of what is in use beside the model."""


class ModelOffer(msgspec.Struct, frozen=True, kw_only=True):
    """The version this device should run: a TUF target, and the digest its target file must have."""

    target_id: NonNegative
    name: ShortText
    version: ShortText
    target_path: ShortText
    digest: Sha256
    size_bytes: NonNegative
    probation_items: Annotated[int, msgspec.Meta(ge=1)] = 50
    probation_s: Annotated[float, msgspec.Meta(gt=0)] = 600.0
    """The longest time to collect them; a device that sees too few items then decides on those it saw."""
    max_error_ratio: float = 0.02
    max_p95_ms: float = 200.0
    kind: ShortText = OfferKind.MODEL
    """An `OfferKind`; free text on the wire, so that one that this agent does not know is refused alone."""
    compatibility: Compatibility | None = None
    """The package's own words, so that a device can refuse before it downloads anything."""
    max_bytes_per_s: NonNegative = 0
    """Of the download; 0 is unlimited."""
    window_start_minute: Annotated[int, msgspec.Meta(ge=0, lt=1440)] = 0
    """Minute of the day, UTC, at which the site allows downloads."""
    window_minutes: Annotated[int, msgspec.Meta(ge=0, le=1440)] = 0
    """How long it does, past midnight too; 0 is always."""
    max_defect_shift_ratio: Ratio | None = None
    """How far the share of defects on probation may lie from the version before; None: not judged."""
    max_cannot_judge_shift_ratio: Ratio | None = None
    """The same for the share of items that got no verdict."""


class Command(msgspec.Struct, frozen=True, kw_only=True):
    command_id: ShortText
    kind: ShortText
    """A `CommandKind`; free text on the wire, so that one that this agent does not know fails alone."""
    expires_in_s: float
    arguments: dict[str, str] = {}
    """What the kind needs (docs/commands.md)."""


class DesiredState(msgspec.Struct, frozen=True, kw_only=True):
    """All that the cloud wants of one device. Replaces the previous one as a whole."""

    revision: str
    checkin_interval_s: float
    server_time_ms: int
    model: ModelOffer | None = None
    configuration_revision: NonNegative = 0
    configuration: msgspec.Raw = msgspec.Raw(b"\x80")
    """An encoded `Configuration`, raw until it is judged: a wrong setting must not hide the rest of the orders."""
    commands: list[Command] = []
    streams: list[StreamAck] = []
    """The cloud's watermarks: lower than what the device had acked means that the cloud was restored."""
    extras: list[ModelOffer] = []
    """What else it should have: at most one each of the kinds `agent`, `reference` and `shadow`."""
