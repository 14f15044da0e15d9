"""Who speaks: a short-lived token that the device signed for this one request."""

import base64
import binascii
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from jwt.types import Options

from apps.devices.selectors import DeviceKey
from apps.devices.states import Admission
from apps.gateway.errors import Busy, Refused
from apps.gateway.http import Head
from edge_agent.wire.token import (
    CLOCK_LEEWAY_S,
    TOKEN_ALGORITHM,
    TOKEN_AUDIENCE,
    TOKEN_LIFETIME_S,
    TokenClaims,
    body_hash,
)

KEY_TTL_S = 3.0
"""How long a revoked device may still get in."""
KEYS_MAX = 20_000
SEEN_MAX = 400_000
"""Tokens remembered; at 2,000 requests/s they fill half of it within a token's life."""
TOKEN_CHARACTERS_MAX = 4_096
JTI_CHARACTERS_MAX = 64
_SCHEME = "Device "
_OPTIONS: Options = {"require": ["sub", "aud", "iat", "exp", "jti"]}

KeyLookup = Callable[[str], Awaitable[DeviceKey | None]]


@dataclass(frozen=True, slots=True)
class Signed:
    """A valid signature; whether it was made for this body is still to be shown by `Gate.seal`."""

    claims: TokenClaims
    device: DeviceKey | None
    """None for a request that a public key signed for itself, which is how a device enrols."""


class Gate:
    """Checks tokens against the devices' public keys. For one event loop; holds no lock."""

    def __init__(self, lookup: KeyLookup) -> None:
        self._keys = KeyCache(lookup)
        self._seen = SeenTokens()

    async def device(self, head: Head) -> Signed:
        """The enrolled device that signed this request. Raises Refused with 401 or 403."""
        token = token_of(head)
        device = await self._keys.get(subject_of(token))
        if device is None or not device.public_key:
            raise Refused(401, "device_unknown", "No device with this id is enrolled here.")
        claims = _claims(token, _public_key(device.public_key))
        _require_bound(claims, head)
        if device.state != Admission.ENROLLED:
            raise Refused(403, f"device_{device.state}", f"This device is {device.state}.")
        return Signed(claims, device)

    async def newcomer(self, head: Head) -> Signed:
        """Somebody who holds the private key of the public key that the token names. Raises Refused."""
        token = token_of(head)
        claims = _claims(token, _public_key(subject_of(token)))
        _require_bound(claims, head)
        return Signed(claims, None)

    def forget(self, device_id: str) -> None:
        """Look the device's key up anew: it has just changed."""
        self._keys.forget(device_id)

    def seal(self, signed: Signed, body: bytes) -> None:
        """Accept the token for this body, once. Raises Refused."""
        if signed.claims.bh != body_hash(body):
            raise Refused(401, "token_not_for_this_request", "The token was signed for another body.")
        self._seen.add(f"{signed.claims.sub}:{signed.claims.jti}", signed.claims.exp)


class KeyCache:
    """Public keys for KEY_TTL_S; unknown ids too, so that a stranger costs one query per id and interval."""

    def __init__(self, lookup: KeyLookup) -> None:
        self._lookup = lookup
        self._kept: OrderedDict[str, tuple[float, DeviceKey | None]] = OrderedDict()

    async def get(self, device_id: str) -> DeviceKey | None:
        kept = self._kept.get(device_id)
        if kept is not None and kept[0] > time.monotonic():
            return kept[1]
        device = await self._lookup(device_id)
        self._kept.pop(device_id, None)
        self._kept[device_id] = (time.monotonic() + KEY_TTL_S, device)
        if len(self._kept) > KEYS_MAX:
            self._kept.popitem(last=False)
        return device

    def forget(self, device_id: str) -> None:
        self._kept.pop(device_id, None)


class SeenTokens:
    """Tokens that were used and have not expired, in the order they came."""

    def __init__(self) -> None:
        self._expiry: OrderedDict[str, float] = OrderedDict()

    def add(self, token_id: str, exp: float) -> None:
        """Raises Refused for one that was used before, Busy when no more can be remembered."""
        now = time.time()
        self._forget(now)
        if token_id in self._expiry:
            raise Refused(401, "token_replayed", "This token was used before; sign every request anew.")
        if len(self._expiry) >= SEEN_MAX:
            raise Busy("Too many requests in too short a time.", retry_after_s=CLOCK_LEEWAY_S)
        self._expiry[token_id] = exp + CLOCK_LEEWAY_S

    def _forget(self, now: float) -> None:
        while self._expiry:
            token_id, expiry = next(iter(self._expiry.items()))
            # Times differ by the devices' clocks, at most by the leeway: some are kept that much longer.
            if expiry > now:
                return
            del self._expiry[token_id]


def token_of(head: Head) -> str:
    header = head.headers.get("authorization", "")
    if not header.startswith(_SCHEME):
        raise Refused(401, "token_missing", "The request has no device token.")
    token = header.removeprefix(_SCHEME).strip()
    if len(token) > TOKEN_CHARACTERS_MAX:
        raise _invalid("The token is too long.")
    return token


def subject_of(token: str) -> str:
    """Whom the token says it is from; nothing is proved yet."""
    try:
        subject = jwt.decode(token, options={"verify_signature": False}).get("sub")
    except (jwt.InvalidTokenError, ValueError, RecursionError) as exc:
        raise _invalid(f"The token cannot be read: {exc}") from exc
    if not isinstance(subject, str):
        raise _invalid("The token names nobody.")
    return subject


def _claims(token: str, key: Ed25519PublicKey) -> TokenClaims:
    try:
        payload = jwt.decode(
            token,
            key,
            algorithms=[TOKEN_ALGORITHM],
            audience=TOKEN_AUDIENCE,
            leeway=CLOCK_LEEWAY_S,
            options=_OPTIONS,
        )
        claims = msgspec.convert(payload, TokenClaims)
    except jwt.ExpiredSignatureError as exc:
        raise Refused(401, "token_expired", "The token has expired; compare clocks and sign again.") from exc
    except jwt.ImmatureSignatureError as exc:
        raise Refused(401, "token_not_yet_valid", "The token is from the future; compare clocks.") from exc
    except (jwt.PyJWTError, msgspec.ValidationError, ValueError, OverflowError) as exc:
        raise _invalid(f"The token is not valid: {exc}") from exc
    if claims.exp - claims.iat > TOKEN_LIFETIME_S or len(claims.jti) > JTI_CHARACTERS_MAX:
        raise _invalid(
            f"A token lives at most {TOKEN_LIFETIME_S} s and its id has at most {JTI_CHARACTERS_MAX} characters."
        )
    return claims


def _require_bound(claims: TokenClaims, head: Head) -> None:
    if (claims.htm, claims.htu) != (head.method, head.target):
        raise Refused(401, "token_not_for_this_request", "The token was signed for another request.")


def _public_key(text: str) -> Ed25519PublicKey:
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        return Ed25519PublicKey.from_public_bytes(raw)
    except (binascii.Error, ValueError) as exc:
        raise _invalid("The token names no Ed25519 key.") from exc


def _invalid(text: str) -> Refused:
    return Refused(401, "token_invalid", text)
