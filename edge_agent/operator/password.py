"""The page's one password, as a hash in the data folder."""

import hashlib
import hmac
import os
from pathlib import Path

import msgspec

from edge_agent.durable import write_durably

PASSWORD_FILE = "operator.json"  # noqa: S105  a name, not a secret
LENGTH_MIN = 10


class PasswordRefused(Exception):
    """Too short to protect anything."""


class _Stored(msgspec.Struct, frozen=True, kw_only=True):
    """scrypt's cost is stored with the hash, so that it may be raised later. 2**15, 8, 1: 32 MiB and some 100 ms."""

    salt: str
    hash: str
    n: int = 2**15
    r: int = 8
    p: int = 1

    def matches(self, password: str) -> bool:
        return hmac.compare_digest(self.hash, _scrypt(password, self))


def set_password(folder: Path, password: str) -> None:
    """Durable on return; holds from the next sign-in on. Raises PasswordRefused, OSError."""
    if len(password) < LENGTH_MIN:
        raise PasswordRefused(f"a password has at least {LENGTH_MIN} characters")
    blank = _Stored(salt=os.urandom(16).hex(), hash="")
    stored = msgspec.structs.replace(blank, hash=_scrypt(password, blank))
    write_durably(folder / PASSWORD_FILE, msgspec.json.encode(stored))


def is_password(folder: Path, password: str) -> bool:
    """False without a password too, and when its file cannot be read. Costs some 100 ms."""
    try:
        stored = msgspec.json.decode((folder / PASSWORD_FILE).read_bytes(), type=_Stored)
    except (OSError, msgspec.DecodeError):
        return False
    return stored.matches(password)


def has_password(folder: Path) -> bool:
    return (folder / PASSWORD_FILE).exists()


def _scrypt(password: str, stored: _Stored) -> str:
    salt, memory_bytes = bytes.fromhex(stored.salt), 256 * stored.n * stored.r
    return hashlib.scrypt(password.encode(), salt=salt, n=stored.n, r=stored.r, p=stored.p, maxmem=memory_bytes).hex()
