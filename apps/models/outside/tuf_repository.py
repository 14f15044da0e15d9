"""The TUF repository that devices trust: files that a web server can hand out as they lie.

`metadata/`: `<n>.root.json`, `<n>.targets.json`, `<n>.snapshot.json`, `timestamp.json`. `targets/`: each file with its
SHA-256 before its name (consistent snapshots). What was written is never changed, but for timestamp.json, which comes
last: until then, clients see the state before, and a publication that was cut off can be repeated.
TUF specification 1.0.31; python-tuf makes and reads the metadata.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import (  # type: ignore[attr-defined]  # exported, though not in __all__
    Metadata,
    MetaFile,
    Root,
    Signed,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.api.serialization import DeserializationError

from apps.models.outside.durable import write_durably
from apps.models.outside.signer import KeyFile, KeyHolder, Signer

logger = logging.getLogger(__name__)

ROLES = ("root", "targets", "snapshot", "timestamp")
LIFETIME_DAYS = {"root": 3650, "targets": 365, "snapshot": 30, "timestamp": 14}
"""A plant may be offline for a while: within these days a device that hears of a version still accepts it."""
LOCK_WAIT_S = 30.0

Kind = TypeVar("Kind", Root, Targets, Snapshot, Timestamp)


class RepositoryFailed(Exception):
    """The repository did not change, or the change is not visible yet and can be repeated."""


@dataclass(frozen=True, slots=True)
class RoleState:
    """One role's newest metadata, for people. is_protected: its key needs a passphrase."""

    role: str
    version: int
    expires_at: datetime
    is_protected: bool


class TufRepository:
    """Every writing method holds one lock, so any number of processes may call."""

    def __init__(self, folder: Path, keys_folder: Path) -> None:
        """keys_folder: `root/` holds the root key, which may be taken away after `create`; `online/` the others."""
        self._folder = folder
        self._metadata = folder / "metadata"
        self._keys = {role: KeyFile(keys_folder / "online" / f"{role}.pem") for role in ROLES[1:]}
        self._root_key = KeyFile(keys_folder / "root" / "root.pem")

    @property
    def exists(self) -> bool:
        return (self._metadata / "timestamp.json").exists()

    def create(self, *, now: datetime, passphrase: str | None = None) -> None:
        """Make keys and the first, empty metadata; what is there stays. passphrase: protects the targets key.

        Raises RepositoryFailed, SigningError.
        """
        with self._locked():
            if self.exists:
                return
            self._root_key.create()
            for role, key in self._keys.items():
                key.create(passphrase if role == "targets" else None)
            self._root_write(now, passphrase)
            if self._newest_number("targets") == 0:
                self._write(Targets(version=1), self._keys["targets"].unlock(passphrase), now)
            self._release(now)
            logger.info("tuf_created folder=%s protected=%s", self._folder, passphrase is not None)

    def root_bytes(self) -> bytes:
        """The first root: what a device is given when it enrols, and trusts from then on."""
        try:
            return (self._metadata / "1.root.json").read_bytes()
        except OSError as exc:
            raise RepositoryFailed(f"The first root cannot be read: {exc.strerror}.") from exc

    def targets_key(self) -> KeyHolder:
        return self._keys["targets"]

    def target_sign(self, path: str, content: bytes, *, signer: Signer, now: datetime) -> None:
        """Keep the file and sign it into new targets metadata, which nobody sees before `release`.

        A second call with the same content changes nothing. Raises RepositoryFailed when the path names another file.
        """
        with self._locked():
            target = TargetFile.from_data(path, content, ["sha256"])
            targets = self._newest("targets", Targets).signed
            known = targets.targets.get(path)
            if known is not None and known.hashes != target.hashes:
                raise RepositoryFailed(f"{path} was signed with another content before; take a new version number.")
            with _storage_errors():
                write_durably(self._target_file(target), content)
            if known is None:
                targets.targets[path] = target
                targets.version += 1
                self._write(targets, signer, now)

    def target_remove(self, path: str, *, signer: Signer, now: datetime) -> None:
        """Sign targets metadata without this file. The file itself stays, for devices that are fetching it."""
        with self._locked():
            targets = self._newest("targets", Targets).signed
            if targets.targets.pop(path, None) is not None:
                targets.version += 1
                self._write(targets, signer, now)

    def release(self, *, now: datetime) -> None:
        """Make the newest targets metadata visible: a new snapshot, then the timestamp. Nothing new, no change."""
        with self._locked():
            self._release(now)

    def is_released(self, path: str) -> bool:
        """Whether clients see this target now."""
        snapshot = self._visible_snapshot()
        number = snapshot.meta["targets.json"].version if snapshot else 0
        return number > 0 and path in self._read(f"{number}.targets.json", Targets).signed.targets

    def refresh_due(self, *, now: datetime) -> list[str]:
        """Sign again each role that has lived half its time, and say which. Protected keys wait for their person."""
        with self._locked():
            due = [role for role in ("targets", "snapshot", "timestamp") if self._is_half_spent(role, now)]
            if "targets" in due and self._keys["targets"].is_protected:
                due.remove("targets")
            if not due:
                return []
            if "targets" in due:
                targets = self._newest("targets", Targets).signed
                targets.version += 1
                self._write(targets, self._keys["targets"].unlock(), now)
            self._release(now, is_snapshot_due="snapshot" in due, is_timestamp_due=True)
            return due

    def states(self) -> list[RoleState]:
        """Each role's version and expiry, root first."""
        return [
            RoleState(
                role=role,
                version=signed.version,
                expires_at=signed.expires,
                is_protected=role == "targets" and self._keys[role].is_protected,
            )
            for role in ROLES
            for signed in [self._newest_signed(role)]
        ]

    def _root_write(self, now: datetime, passphrase: str | None) -> None:
        """The root names every role's key and is signed by the root key alone."""
        if self._newest_number("root") > 0:
            return
        root = Root(version=1, consistent_snapshot=True)
        signer = self._root_key.unlock()
        root.add_key(signer.public_key, "root")
        for role, key in self._keys.items():
            root.add_key(key.unlock(passphrase).public_key, role)
        self._write(root, signer, now)

    def _release(self, now: datetime, *, is_snapshot_due: bool = False, is_timestamp_due: bool = False) -> None:
        targets = self._newest_number("targets")
        number = self._newest_number("snapshot")
        known = self._newest("snapshot", Snapshot).signed.meta["targets.json"].version if number else 0
        if is_snapshot_due or known != targets:
            number += 1
            snapshot = Snapshot(version=number, meta={"targets.json": MetaFile(targets)})
            self._write(snapshot, self._keys["snapshot"].unlock(), now)
        visible = self._read("timestamp.json", Timestamp).signed if self.exists else None
        if is_timestamp_due or visible is None or visible.snapshot_meta.version != number:
            version = visible.version + 1 if visible else 1
            self._write(Timestamp(version, snapshot_meta=MetaFile(number)), self._keys["timestamp"].unlock(), now)

    def _write(self, signed: Kind, signer: Signer, now: datetime) -> None:
        """Sign and keep one piece of metadata, durably."""
        signed.expires = now + timedelta(days=LIFETIME_DAYS[signed.type])
        metadata = Metadata(signed)
        metadata.sign(signer)
        name = "timestamp.json" if signed.type == "timestamp" else f"{signed.version}.{signed.type}.json"
        with _storage_errors():
            write_durably(self._metadata / name, metadata.to_bytes())

    def _newest(self, role: str, kind: type[Kind]) -> Metadata[Kind]:
        number = self._newest_number(role)
        return self._read(f"{number}.{role}.json", kind)

    def _newest_signed(self, role: str) -> Signed:
        if role == "timestamp":
            return self._read("timestamp.json", Timestamp).signed
        if role == "snapshot":
            return self._newest(role, Snapshot).signed
        return self._newest(role, Targets).signed if role == "targets" else self._newest(role, Root).signed

    def _newest_number(self, role: str) -> int:
        numbers = [int(file.name.split(".")[0]) for file in self._metadata.glob(f"[0-9]*.{role}.json")]
        return max(numbers, default=0)

    def _visible_snapshot(self) -> Snapshot | None:
        if not self.exists:
            return None
        number = self._read("timestamp.json", Timestamp).signed.snapshot_meta.version
        return self._read(f"{number}.snapshot.json", Snapshot).signed

    def _read(self, name: str, kind: type[Kind]) -> Metadata[Kind]:
        try:
            metadata = Metadata[kind].from_bytes((self._metadata / name).read_bytes())  # type: ignore[valid-type]
        except (OSError, RepositoryError, DeserializationError) as exc:
            raise RepositoryFailed(f"The repository's {name} cannot be read.") from exc
        if not isinstance(metadata.signed, kind):
            raise RepositoryFailed(f"The repository's {name} is of another kind.")
        return metadata

    def _is_half_spent(self, role: str, now: datetime) -> bool:
        return self._newest_signed(role).expires - now < timedelta(days=LIFETIME_DAYS[role] / 2)

    def _target_file(self, target: TargetFile) -> Path:
        folder, _, name = target.path.rpartition("/")
        return self._folder / "targets" / folder / f"{target.hashes['sha256']}.{name}"

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with _storage_errors():
            self._folder.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self._folder / ".lock", timeout=LOCK_WAIT_S):
                yield
        except Timeout as exc:
            raise RepositoryFailed("Another publication is running.") from exc


@contextmanager
def _storage_errors() -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise RepositoryFailed(f"The repository cannot be written: {exc.strerror}.") from exc
