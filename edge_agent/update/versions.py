"""Model versions on disk: unpacked, checked, each in a folder named by its digest."""

import contextlib
import hashlib
import logging
import os
import shutil
from collections.abc import Collection
from pathlib import Path

import msgspec

from edge_agent.durable import sync_folder
from edge_agent.update.manifest import Package
from edge_agent.values import Digest, InstalledVersion
from edge_agent.wire.manifest import MANIFEST_NAME, Manifest

logger = logging.getLogger(__name__)


class VersionDamaged(Exception):
    """A version's files are missing, or are not what its manifest lists."""


class Versions:
    """The versions that lie on this device."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def install(self, package: Package, digest: Digest) -> InstalledVersion:
        """Unpack a checked package. On return it survives a power cut; before, there is no such version.

        Raises OSError, e.g. when the disk is full, and PackageRefused when it changed since it was checked.
        """
        fresh = self._folder / f".{digest}.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        for name in package.names:
            with (fresh / name).open("wb") as file:
                file.writelines(package.pieces(name))
                file.flush()
                os.fsync(file.fileno())
        sync_folder(fresh)
        target = self._path(digest)
        shutil.rmtree(target, ignore_errors=True)
        fresh.rename(target)
        sync_folder(self._folder)
        return InstalledVersion(digest=digest, manifest=package.manifest, folder=str(target))

    def load(self, digest: Digest) -> InstalledVersion:
        """A version that was installed, its files checked again: disks rot. Costs a read of all of it.

        Raises VersionDamaged.
        """
        folder = self._path(digest)
        try:
            manifest = msgspec.json.decode((folder / MANIFEST_NAME).read_bytes(), type=Manifest)
            for name, listed in manifest.files.items():
                with (folder / name).open("rb") as file:
                    checksum = hashlib.file_digest(file, "sha256").hexdigest()
                if checksum != listed.sha256:
                    raise VersionDamaged(f"{name} of version {digest[:12]} has changed on disk.")
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as exc:
            raise VersionDamaged(f"Version {digest[:12]} cannot be read: {exc}") from exc
        return InstalledVersion(digest=digest, manifest=manifest, folder=str(folder))

    def find(self, digest: Digest) -> InstalledVersion | None:
        """None when it is not here, or no longer whole."""
        with contextlib.suppress(VersionDamaged):
            return self.load(digest)
        return None

    def prune(self, keep: Collection[str]) -> None:
        """Delete all versions but these. What cannot be deleted stays for the next time."""
        for folder in self._folder.iterdir():
            if folder.is_dir() and folder.name not in keep:
                shutil.rmtree(folder, ignore_errors=True)
                logger.info("version_pruned folder=%s", folder.name)

    def _path(self, digest: Digest) -> Path:
        return self._folder / digest
