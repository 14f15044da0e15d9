"""Where an update stands, on disk before each act."""

import logging
from pathlib import Path

import msgspec

from edge_agent.durable import write_durably
from edge_agent.update.probation import OutputShares
from edge_agent.wire.messages import ModelOffer
from edge_agent.wire.words import FINAL_UPDATE_STATES, UpdateState

logger = logging.getLogger(__name__)

_BAD_MAX = 200


class SavedUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """One update. is_reported: its step is in the journal. try_count: how often `state` was begun or refused.

    before: what the version that ran until the switch said of its last items.
    """

    offer: ModelOffer
    state: UpdateState
    try_count: int = 0
    reason: str = ""
    evidence: dict[str, float] = {}
    before: OutputShares = OutputShares()
    is_reported: bool = False

    @property
    def is_final(self) -> bool:
        return self.state in FINAL_UPDATE_STATES


class UpdateFile(msgspec.Struct, frozen=True, kw_only=True):
    """bad: digests that failed here, with the reason; they are not tried again."""

    update: SavedUpdate | None = None
    bad: dict[str, str] = {}


class UpdateStore:
    """The saved update. One thread."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = path
        self._held = _read(path)

    @property
    def update(self) -> SavedUpdate | None:
        return self._held.update

    def bad_reason(self, digest: str) -> str:
        """Why this version failed here before; empty when it did not."""
        return self._held.bad.get(digest, "")

    def save(self, update: SavedUpdate, *, is_bad: bool = False) -> None:
        """On return `update` survives a power cut. is_bad: its version is never tried again. Raises OSError."""
        bad = self._held.bad
        if is_bad:
            kept = list(bad.items())[-_BAD_MAX:]
            bad = {**dict(kept), update.offer.digest: update.reason}
        held = UpdateFile(update=update, bad=bad)
        write_durably(self._path, msgspec.json.encode(held))
        self._held = held


def _read(path: Path) -> UpdateFile:
    try:
        return msgspec.json.decode(path.read_bytes(), type=UpdateFile)
    except FileNotFoundError:
        return UpdateFile()
    except msgspec.DecodeError as exc:
        # What runs is in the slots' own file; a lost update is begun again.
        logger.warning("update_unreadable error=%s", exc)
        return UpdateFile()
