"""Bytes to structs and back: MessagePack bodies, and the running digest that makes a journal's history checkable."""

import hashlib
from collections.abc import Iterable
from typing import TypeVar

import msgspec

from edge_agent.wire.records import Record

T = TypeVar("T")

GENESIS_DIGEST = "0" * 32
"""The running digest before a stream's first record."""


class WireError(Exception):
    """These bytes are not this message. Sending them again will not help."""


_encoder = msgspec.msgpack.Encoder()
_record_decoder: msgspec.msgpack.Decoder[Record] = msgspec.msgpack.Decoder(Record)


def encode(message: msgspec.Struct) -> bytes:
    return _encoder.encode(message)


def decode(body: bytes, kind: type[T]) -> T:
    """Read one message of `kind`. Raises WireError with the path of the wrong field."""
    try:
        return msgspec.msgpack.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise WireError(str(exc)) from exc


def decode_record(body: bytes | msgspec.Raw) -> Record:
    """Read one journalled record. Raises WireError when its kind or a field is unknown to this side."""
    try:
        return _record_decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise WireError(str(exc)) from exc


def chain_digest(before: str, bodies: Iterable[bytes | msgspec.Raw]) -> str:
    """The running digest after `bodies`: d = sha256(d_before || body), first 16 bytes, as hex."""
    digest = bytes.fromhex(before)
    for body in bodies:
        digest = hashlib.sha256(digest + bytes(body)).digest()[:16]
    return digest.hex()
