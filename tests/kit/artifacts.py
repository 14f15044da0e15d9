"""A real TUF repository in a folder, signed with keys of its own, and the wrongs that can be done to it."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp

ROLES = ("root", "timestamp", "snapshot", "targets")


class ArtifactRepository:
    """Metadata and targets under `folder`, laid out as the gateway serves them."""

    def __init__(self, folder: Path) -> None:
        self.metadata = folder / "tuf" / "metadata"
        self.targets = folder / "tuf" / "targets"
        self.metadata.mkdir(parents=True)
        self.targets.mkdir(parents=True)
        self.signers = {role: CryptoSigner.generate_ed25519() for role in ROLES}
        self.expires = datetime.now(UTC).replace(microsecond=0) + timedelta(days=7)
        self.version = 0
        self._files: dict[str, TargetFile] = {}
        self.root = Metadata(Root(version=1, expires=self.expires + timedelta(days=365), consistent_snapshot=True))
        for role, signer in self.signers.items():
            self.root.signed.add_key(signer.public_key, role)
        self.write_root()
        self.root_bytes = (self.metadata / "1.root.json").read_bytes()

    def write_root(self) -> None:
        self.root.sign(self.signers["root"])
        self.root.to_file(str(self.metadata / f"{self.root.signed.version}.root.json"))

    def rotate(self, role: str) -> None:
        """A new key for `role`, in a new root."""
        self.root.signed.revoke_key(self.signers[role].public_key.keyid, role)
        self.signers[role] = CryptoSigner.generate_ed25519()
        self.root.signed.add_key(self.signers[role].public_key, role)
        self.root.signed.version += 1
        self.write_root()

    def add(self, path: str, content: bytes) -> None:
        target = TargetFile.from_data(path, content, ["sha256"])
        self._files[path] = target
        folder, _, name = path.rpartition("/")
        (self.targets / folder).mkdir(parents=True, exist_ok=True)
        (self.targets / folder / f"{target.hashes['sha256']}.{name}").write_bytes(content)

    def publish(self) -> None:
        """Sign all that was added, as the next version."""
        self.version += 1
        self.write("targets", Targets(version=self.version, expires=self.expires, targets=self._files))
        meta = {"targets.json": MetaFile(version=self.version)}
        self.write("snapshot", Snapshot(version=self.version, expires=self.expires, meta=meta))
        self.write_timestamp()

    def write_timestamp(self) -> None:
        snapshot = (self.metadata / f"{self.version}.snapshot.json").read_bytes()
        meta = MetaFile(self.version, len(snapshot), {"sha256": hashlib.sha256(snapshot).hexdigest()})
        self.write("timestamp", Timestamp(version=self.version, expires=self.expires, snapshot_meta=meta))

    def write(self, role: str, signed: Timestamp | Snapshot | Targets) -> None:
        metadata = Metadata(signed)
        metadata.sign(self.signers[role])
        name = "timestamp.json" if role == "timestamp" else f"{signed.version}.{role}.json"
        metadata.to_file(str(self.metadata / name))
