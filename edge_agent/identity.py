"""Who this device is: an Ed25519 key pair made here, which never leaves the device, and the tokens it signs."""

import base64
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jwt
import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge_agent.durable import sync_folder, write_durably
from edge_agent.wire.token import TOKEN_ALGORITHM, TOKEN_AUDIENCE, TOKEN_LIFETIME_S, TokenClaims, body_hash

DEVICE_FILE = "device.json"
KEYS_FOLDER = "keys"


class IdentityError(Exception):
    """This device's identity is missing or damaged; only enrolling again helps."""


class DeviceFile(msgspec.Struct, frozen=True, kw_only=True):
    """What enrolment left on disk: one file, so that it is there as a whole or not at all."""

    device_id: str
    name: str
    site: str
    line: str
    cloud_url: str
    public_key: str
    tuf_root: bytes
    """The first trusted root of the artifact repository, pinned here for good."""


class KeyPair:
    """An Ed25519 key pair. `public_key` is the raw key, base64url without padding."""

    def __init__(self, private_key: Ed25519PrivateKey) -> None:
        self._private_key = private_key
        raw = private_key.public_key().public_bytes_raw()
        self.public_key = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    def sign(self, claims: TokenClaims) -> str:
        return jwt.encode(msgspec.to_builtins(claims), self._private_key, algorithm=TOKEN_ALGORITHM)

    def sign_bytes(self, content: bytes) -> bytes:
        """content: begins with words that say what is signed, so that no signature passes for another."""
        return self._private_key.sign(content)


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who signs requests. subject: the device's id; while enrolling, the public key itself."""

    keys: KeyPair
    subject: str

    def token(self, *, method: str, path: str, body: bytes, now_s: float) -> str:
        """A token for this one request, alive for a minute. path: with query, as sent."""
        issued_s = int(now_s)
        claims = TokenClaims(
            sub=self.subject,
            aud=TOKEN_AUDIENCE,
            iat=issued_s,
            exp=issued_s + TOKEN_LIFETIME_S,
            jti=uuid.uuid4().hex,
            htm=method,
            htu=path,
            bh=body_hash(body),
        )
        return self.keys.sign(claims)


@dataclass(frozen=True, slots=True)
class Identity:
    device: DeviceFile
    keys: KeyPair

    def credentials(self) -> Credentials:
        return Credentials(keys=self.keys, subject=self.device.device_id)


def load_identity(folder: Path) -> Identity:
    """The enrolled identity in the data folder. Raises IdentityError when there is none."""
    device = load_device(folder)
    if device is None:
        raise IdentityError("This device is not enrolled.")
    return Identity(device=device, keys=_load_key(_key_path(folder, device.public_key)))


def load_device(folder: Path) -> DeviceFile | None:
    """None before enrolment. Raises IdentityError when the file is damaged."""
    try:
        return msgspec.json.decode((folder / DEVICE_FILE).read_bytes(), type=DeviceFile)
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, OSError) as exc:
        raise IdentityError(f"{DEVICE_FILE} cannot be read: {exc}") from exc


def save_device(folder: Path, device: DeviceFile) -> None:
    """The moment of enrolment: before it returns the old identity holds, after it the new one, power cut or not."""
    write_durably(folder / DEVICE_FILE, msgspec.json.encode(device))


def pending_keys(folder: Path, *, enrolled_key: str | None) -> KeyPair:
    """The key pair for the next enrolment, durable before it is used.

    One that was made before and not enrolled is taken again: if the cloud's reply was lost, the cloud knows this key.
    """
    for path in _key_files(folder):
        if path.stem != enrolled_key:
            return _load_key(path)
    return _make_keys(folder)


def drop_other_keys(folder: Path, *, enrolled_key: str) -> None:
    """Delete keys that no identity uses any more, so that a retired one is never taken for a pending one."""
    for path in _key_files(folder):
        if path.stem != enrolled_key:
            path.unlink()


def _key_files(folder: Path) -> Iterator[Path]:
    return iter(sorted((folder / KEYS_FOLDER).glob("*.pem"), key=lambda path: path.stat().st_mtime, reverse=True))


def _key_path(folder: Path, public_key: str) -> Path:
    return folder / KEYS_FOLDER / f"{public_key}.pem"


def _make_keys(folder: Path) -> KeyPair:
    (folder / KEYS_FOLDER).mkdir(mode=0o700, parents=True, exist_ok=True)
    sync_folder(folder)
    private_key = Ed25519PrivateKey.generate()
    keys = KeyPair(private_key)
    pem = private_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_durably(_key_path(folder, keys.public_key), pem, mode=0o600)
    return keys


def _load_key(path: Path) -> KeyPair:
    try:
        private_key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError) as exc:
        raise IdentityError(f"The device's key cannot be read: {exc}") from exc
    if not isinstance(private_key, Ed25519PrivateKey):
        raise IdentityError("The device's key is no Ed25519 key.")
    return KeyPair(private_key)
