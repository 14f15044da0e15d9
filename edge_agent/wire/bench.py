"""The benchmark card: what one package costs on one machine, signed by the device that measured it."""

from typing import Annotated

import msgspec

from edge_agent.wire.messages import Hardware
from edge_agent.wire.records import NonNegative, Sha256, ShortText, WallClockMs

CARD_CONTEXT = b"hybridai benchmark card v1\n"
"""Signed before the card, so that no other signature of the device's key can pass for one on a card."""


class BenchRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One engine with one number of threads, in a process of its own. error: why it could not be measured.

    cold_start_ms: from nothing to the first score. memory_bytes: the process's peak. score_max_difference: from the
    golden scores.
    """

    engine: ShortText
    threads: Annotated[int, msgspec.Meta(ge=1, le=1024)]
    run_count: NonNegative = 0
    cold_start_ms: float = 0.0
    p50_ms: float = 0.0
    p95_ms: float = 0.0
    p99_ms: float = 0.0
    memory_bytes: NonNegative = 0
    score_max_difference: float = 0.0
    error: ShortText = ""


class BenchmarkCard(msgspec.Struct, frozen=True, kw_only=True):
    """digest, size_bytes: of the package; 0 bytes when only its unpacked files are there."""

    format: int = 1
    at_ms: WallClockMs
    device_id: ShortText
    public_key: ShortText
    agent_version: ShortText
    hardware: Hardware
    name: ShortText
    version: ShortText
    digest: Sha256
    size_bytes: NonNegative
    model_bytes: NonNegative
    frame_count: NonNegative
    rows: list[BenchRow]


class SignedCard(msgspec.Struct, frozen=True, kw_only=True):
    """card: the encoded `BenchmarkCard`, in the very bytes that were signed (base64 in JSON).

    signature: Ed25519 over CARD_CONTEXT and `card`.
    """

    card: bytes
    signature: bytes
