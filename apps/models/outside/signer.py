"""Who signs. A `KeyHolder` is unlocked for one act and gives a `Signer`; the repository never sees where keys lie."""

import os
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from securesystemslib.signer import CryptoSigner, Signer  # type: ignore[attr-defined]  # exported, though not in __all__

__all__ = ["KeyFile", "KeyHolder", "KeyMissing", "PassphraseWrong", "Signer", "SigningError"]

_PROTECTED_MARK = b"BEGIN ENCRYPTED PRIVATE KEY"


class SigningError(Exception):
    """The key gave no signature."""


class KeyMissing(SigningError):
    """There is no such key file, or it cannot be read."""


class PassphraseWrong(SigningError):
    """The key is protected, and the passphrase is missing or wrong."""


class KeyHolder(Protocol):
    @property
    def is_protected(self) -> bool:
        """Whether `unlock` needs a person's passphrase."""
        ...

    def unlock(self, passphrase: str | None = None) -> Signer:
        """A signer for one act. Raises KeyMissing, PassphraseWrong; both before anything is signed."""
        ...


class KeyFile:
    """An Ed25519 key in a PKCS#8 PEM file of mode 0600, in the clear or encrypted with a passphrase."""

    def __init__(self, file: Path) -> None:
        self._file = file

    @property
    def exists(self) -> bool:
        return self._file.exists()

    @property
    def is_protected(self) -> bool:
        return _PROTECTED_MARK in self._content()

    def create(self, passphrase: str | None = None) -> Signer:
        """Make the key once; one that is there stays. It appears under its name only when it is whole."""
        if not self.exists:
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._write(Ed25519PrivateKey.generate(), passphrase)
        return self.unlock(passphrase)

    def unlock(self, passphrase: str | None = None) -> Signer:
        content = self._content()
        password = passphrase.encode() if passphrase and _PROTECTED_MARK in content else None
        try:
            return CryptoSigner(load_pem_private_key(content, password))
        except (ValueError, TypeError) as exc:
            # The library says "bad decrypt" or "password was not given"; both end at the person who approves.
            raise PassphraseWrong("The passphrase of the signing key is missing or wrong.") from exc

    def _content(self) -> bytes:
        try:
            return self._file.read_bytes()
        except OSError as exc:
            raise KeyMissing(f"The key {self._file.name} cannot be read: {exc.strerror}.") from exc

    def _write(self, key: Ed25519PrivateKey, passphrase: str | None) -> None:
        protection: KeySerializationEncryption = (
            BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
        )
        draft = self._file.with_suffix(f".{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection))
        draft.replace(self._file)
