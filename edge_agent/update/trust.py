"""Which files the artifact repository vouches for. python-tuf does the checking; fetching and storing are ours.

What python-tuf's own client lacks: a download that resumes, and metadata that survives a power cut.
"""

import hashlib
import logging
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from tuf.api import exceptions as tuf_errors
from tuf.api.metadata import TargetFile  # type: ignore[attr-defined]
from tuf.ngclient.fetcher import FetcherInterface
from tuf.ngclient.updater import Updater as TufClient

from edge_agent.cloud import CloudClient, CloudRefused, CloudUnreachable
from edge_agent.durable import sync_folder, write_durably
from edge_agent.wire.messages import ModelOffer
from edge_agent.wire.paths import TUF_METADATA, TUF_TARGETS

logger = logging.getLogger(__name__)

_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (tuf_errors.ExpiredMetadataError, "metadata_expired"),
    (tuf_errors.BadVersionNumberError, "metadata_rollback"),
    (tuf_errors.UnsignedMetadataError, "metadata_signature"),
    (tuf_errors.LengthOrHashMismatchError, "metadata_mismatch"),
    (tuf_errors.DownloadLengthMismatchError, "metadata_endless"),
    (tuf_errors.RepositoryError, "metadata_invalid"),
)
"""The first match counts: the later ones are their base classes."""


class UpdateRefused(Exception):
    """The repository does not vouch for this file, or cannot be trusted now. `code` is stable."""

    def __init__(self, code: str, text: str = "") -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text


class DownloadStopped(Exception):
    """Asked to stop; what came so far is kept."""


class TrustedRepository:
    """The artifact repository, believed only as far as the root pinned at enrolment reaches.

    now_ms: the time that expiry is judged by, which should be the cloud's rather than the device's own.
    """

    def __init__(self, folder: Path, *, root: bytes, cloud: CloudClient, now_ms: Callable[[], int]) -> None:
        # Named by the root: after enrolment elsewhere, nothing of the old repository is taken for the new one's.
        self._metadata = folder / hashlib.sha256(root).hexdigest()[:16]
        (self._metadata / "root_history").mkdir(mode=0o700, parents=True, exist_ok=True)
        self._root = root
        self._cloud = cloud
        self.now_ms = now_ms

    def find(self, offer: ModelOffer) -> TargetFile:
        """The signed description of the offered file. Raises UpdateRefused, CloudUnreachable, OSError."""
        if not self._root:
            raise UpdateRefused("root_missing", "This device was enrolled without a trusted root.")
        target = self._look_up(offer.target_path)
        if target is None:
            raise UpdateRefused("target_unknown", f"{offer.target_path} is not in the repository.")
        if target.hashes.get("sha256") != offer.digest:
            raise UpdateRefused("digest_differs", "The offer and the signed metadata name different files.")
        if target.length != offer.size_bytes:
            raise UpdateRefused("size_differs", f"offered {offer.size_bytes} bytes, signed {target.length}")
        return target

    def _look_up(self, target_path: str) -> TargetFile | None:
        try:
            client = _Client(
                str(self._metadata), TUF_METADATA, fetcher=_MetadataFetcher(self._cloud), bootstrap=self._root
            )
            client.judge_expiry_at(datetime.fromtimestamp(self.now_ms() / 1000, UTC))
            client.refresh()
            return client.get_targetinfo(target_path)
        except tuf_errors.DownloadHTTPError as exc:
            raise CloudUnreachable(f"The repository's metadata is not there: HTTP {exc.status_code}") from exc
        except (tuf_errors.RepositoryError, tuf_errors.DownloadError) as exc:
            raise _refusal(exc) from exc


class TargetDownload:
    """Downloads of signed files that go on where they were cut, also after a restart."""

    def __init__(self, folder: Path, cloud: CloudClient) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._cloud = cloud

    def had_bytes(self, digest: str) -> int:
        """How much of a file lies here already."""
        return sum(path.stat().st_size for path in self._folder.glob(f"{digest}.*"))

    def fetch(self, target: TargetFile, *, took: Callable[[int], bool]) -> Path:
        """The whole, verified file. Never writes more than its signed length to disk.

        took: told of each piece's bytes once they are written; True stops the download there.

        Raises UpdateRefused when the bytes are not the signed ones, CloudUnreachable when no byte came any more,
        DownloadStopped, OSError.
        """
        part = self._folder / f"{target.hashes['sha256']}.part"
        if part.exists() and part.stat().st_size > target.length:
            part.unlink()
        with part.open("ab") as file:
            while file.tell() < target.length:
                self._append(file, target, took)
            file.flush()
            os.fsync(file.fileno())
        return self._verified(part, target)

    def discard(self, digest: str) -> None:
        for path in self._folder.glob(f"{digest}.*"):
            path.unlink()

    def discard_others(self, digest: str) -> None:
        """Forget what was begun for other versions."""
        for path in self._folder.iterdir():
            if path.stem != digest:
                path.unlink()

    def _append(self, file: BinaryIO, target: TargetFile, took: Callable[[int], bool]) -> None:
        """Append what comes until the link is cut. Raises CloudUnreachable only when nothing came at all."""
        begun_at = file.tell()
        try:
            for piece in self._cloud.fetch(_target_url(target), begun_at):
                if file.tell() + len(piece) > target.length:
                    self._refuse(file, "target_endless", f"more than the signed {target.length} bytes")
                file.write(piece)
                if took(len(piece)):
                    raise DownloadStopped
        except CloudUnreachable:
            if file.tell() == begun_at:
                raise
            logger.info("download_cut digest=%s at_bytes=%d", target.hashes["sha256"][:12], file.tell())
        except CloudRefused as exc:
            raise UpdateRefused("target_missing", str(exc)) from exc
        if file.tell() == begun_at:
            raise CloudUnreachable("The download ended without a byte.")

    def _verified(self, part: Path, target: TargetFile) -> Path:
        with part.open("rb") as file:
            try:
                target.verify_length_and_hashes(file)
            except tuf_errors.LengthOrHashMismatchError as exc:
                part.unlink()
                raise UpdateRefused("target_mismatch", str(exc)) from exc
        whole = part.with_suffix(".zip")
        part.replace(whole)
        sync_folder(self._folder)
        return whole

    def _refuse(self, file: BinaryIO, code: str, text: str) -> None:
        file.truncate(0)
        raise UpdateRefused(code, text)


class _Client(TufClient):
    """python-tuf's client with files that survive a power cut. Written against tuf 7.0.1: these names are private."""

    def judge_expiry_at(self, now: datetime) -> None:
        self._trusted_set.reference_time = now

    def _persist_file(self, filename: str, data: bytes) -> None:
        write_durably(Path(filename), data)

    def _update_root_symlink(self) -> None:
        """Not needed: each run starts from the pinned root and walks the stored history from there."""


class _MetadataFetcher(FetcherInterface):
    """Metadata over the agent's own connection. CloudUnreachable passes through as it is."""

    def __init__(self, cloud: CloudClient) -> None:
        self._cloud = cloud

    def _fetch(self, url: str) -> Iterator[bytes]:
        try:
            yield from self._cloud.fetch(url)
        except CloudRefused as exc:
            # Only "not there" has a meaning in TUF: it ends the walk to newer roots.
            raise tuf_errors.DownloadHTTPError(str(exc), 404) from exc


def _target_url(target: TargetFile) -> str:
    folder, separator, name = target.path.rpartition("/")
    return f"{TUF_TARGETS}{folder}{separator}{target.hashes['sha256']}.{name}"


def _refusal(error: Exception) -> UpdateRefused:
    code = next((code for kind, code in _REASONS if isinstance(error, kind)), "metadata_unavailable")
    return UpdateRefused(code, str(error))
