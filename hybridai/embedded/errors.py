"""What can stop an installation from running, each said in one sentence with its way out."""

from pathlib import Path


class EmbeddedError(Exception):
    """A part of the installation could not start; the text says why and what to do."""


class PortTaken(EmbeddedError):
    """Another program listens where one of ours should."""


class DataFolderInUse(EmbeddedError):
    """Another installation is running on the same data folder."""


class DiskFull(EmbeddedError):
    """The disk under the data folder has no room."""


class NoPermission(EmbeddedError):
    """The data folder, a port or a program may not be used by this account."""


class BinariesMissing(EmbeddedError):
    """A server's programs are not installed."""


class ServerFailed(EmbeddedError):
    """A server ended or did not answer, for a reason found in its log."""


def folder_in_use(folder: Path) -> DataFolderInUse:
    return DataFolderInUse(
        f"The data folder {folder} is in use by another running installation. "
        "Stop that one first, or give this one its own folder with HYBRIDAI_DATA."
    )


def disk_full(folder: Path) -> DiskFull:
    return DiskFull(
        f"The disk under {folder} is full. Free some space, or move the data folder to another disk with HYBRIDAI_DATA."
    )


def no_permission(folder: Path, detail: str) -> NoPermission:
    return NoPermission(
        f"No permission to use {folder} ({detail}). "
        "Run as the account that owns the folder, or choose another folder with HYBRIDAI_DATA."
    )


def translated(error: OSError, folder: Path) -> EmbeddedError:
    """The family member for an error that the operating system gave about `folder`."""
    if error.errno in {28, 122}:  # ENOSPC, EDQUOT
        return disk_full(folder)
    if isinstance(error, PermissionError) or error.errno == 30:  # EROFS
        return no_permission(folder, error.strerror or "denied")
    return EmbeddedError(f"Cannot use {folder}: {error}.")


def explained(name: str, log_file: Path, log_tail: str) -> EmbeddedError:
    """The family member for a server that ended early, judged by what it wrote last."""
    if "No space left on device" in log_tail:
        return disk_full(log_file.parent)
    if "Permission denied" in log_tail:
        return no_permission(log_file.parent, f"see {log_file}")
    last = log_tail.strip().splitlines()[-1:] or ["it wrote nothing"]
    return ServerFailed(f"{name} failed: {last[0]} (whole log: {log_file}).")
