"""What a device signs for each request: a JWT (EdDSA) bound to this one request and alive for a minute.

The claims bind the token to method, path and body, so that a captured one can at most repeat the same
request, which the protocol makes harmless; the server also refuses a `jti` it has seen.
"""

import hashlib

import msgspec

TOKEN_AUDIENCE = "hybridai-gateway"  # noqa: S105  a name, not a secret
TOKEN_ALGORITHM = "EdDSA"  # noqa: S105
TOKEN_LIFETIME_S = 60
CLOCK_LEEWAY_S = 30
"""How far a device's idea of server time may be off. A device learns server time from any reply, refusals included."""


class TokenClaims(msgspec.Struct, frozen=True, kw_only=True):
    sub: str
    """The device's id; at enrolment the public key itself."""
    aud: str
    iat: int
    exp: int
    jti: str
    htm: str
    htu: str
    """The request's method and path (with query), as in RFC 9449 (DPoP)."""
    bh: str
    """SHA-256 of the body as sent, hex; a resumable image chunk included."""


def body_hash(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
