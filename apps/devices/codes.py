"""One-time codes that a person reads from a screen and types on a device."""

import hashlib
import secrets

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no I, L, O and U, so that nothing is mistaken for something else."""
LENGTH = 25
"""125 bits: too many to guess within the minutes a code lives."""
_GROUP = 5
_MISREAD = str.maketrans({"O": "0", "I": "1", "L": "1"})


def new_code() -> str:
    """A fresh random code, in groups of five."""
    letters = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    return "-".join(letters[start : start + _GROUP] for start in range(0, LENGTH, _GROUP))


def code_hash(typed: str) -> str:
    """What is stored and compared. Case, spaces, hyphens and the usual misreadings make no difference.

    Unsalted: the code is random and long enough that no table can hold it.
    """
    letters = "".join(typed.split()).replace("-", "").upper().translate(_MISREAD)
    return hashlib.sha256(letters.encode()).hexdigest()
