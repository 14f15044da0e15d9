"""Who gives way when the disk budget is spent: images before records, inspection before control."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from edge_agent.journal.errors import JournalFull
from edge_agent.journal.images import ImageFolder
from edge_agent.journal.store import ImageState, Store
from edge_agent.wire.words import StreamKind

CONTROL_RESERVE_BYTES = 1024 * 1024
"""What only the control stream may use, so that a full device can still say so."""
DISK_FREE_MIN_BYTES = 32 * 1024 * 1024
"""Never taken, whatever the budget says: the operating system must stay alive."""
RECORD_OVERHEAD_BYTES = 128
HEADROOM_RATIO = 0.02
"""Of the budget, won in one go: a full disk is then told once per so many images and not with each of them."""


@dataclass(slots=True)
class Losses:
    """What gave way in the open transaction and must be told."""

    evicted_images: int = 0
    unwritten_images: int = 0
    files: set[str] = field(default_factory=set)


class Room:
    """Makes room inside an open transaction. Used by the committer alone."""

    def __init__(self, store: Store, images: ImageFolder, folder: Path, budget_bytes: int) -> None:
        self.budget_bytes = budget_bytes
        self.losses = Losses()
        self._store = store
        self._images = images
        self._folder = folder
        self.used_bytes = 0

    def measure(self) -> None:
        """Look at the disk once per group; in between only sums are kept."""
        self.used_bytes = self._store.record_bytes() + self._store.image_bytes()
        self.losses = Losses()

    def make(self, kind: StreamKind, need_bytes: int) -> None:
        """Evict images until `need_bytes` fit. Raises JournalFull when that isn't enough."""
        reserve_bytes = CONTROL_RESERVE_BYTES if kind is StreamKind.CONTROL else 0
        limit_bytes = self._limit_bytes() + reserve_bytes
        wanted_bytes = self.used_bytes + need_bytes + RECORD_OVERHEAD_BYTES - limit_bytes
        if wanted_bytes > 0 and self._evict(wanted_bytes + int(limit_bytes * HEADROOM_RATIO)) < wanted_bytes:
            raise JournalFull(f"the budget of {self.budget_bytes} bytes is spent and no image is left to evict")
        self.used_bytes += need_bytes + RECORD_OVERHEAD_BYTES

    def forget_files(self) -> None:
        """Remove the files of evicted images, after the commit that says so."""
        self._images.remove(self.losses.files)

    def _limit_bytes(self) -> int:
        free_bytes = shutil.disk_usage(self._folder).free
        return min(self.budget_bytes, self.used_bytes + free_bytes - DISK_FREE_MIN_BYTES)

    def _evict(self, wanted_bytes: int) -> int:
        """Sent images first, then unwanted, then the oldest that wait. Returns the bytes won."""
        won_bytes = 0
        for state in (ImageState.SENT, ImageState.UNWANTED, ImageState.WAITING, ImageState.WANTED):
            for image in self._store.images_in(state):
                if won_bytes >= wanted_bytes:
                    break
                self._store.image_move(image.sha256, old=(state,), new=ImageState.GONE)
                self.losses.files.add(image.sha256)
                self.losses.evicted_images += state in (ImageState.WAITING, ImageState.WANTED)
                won_bytes += image.size_bytes
        self.used_bytes -= won_bytes
        return won_bytes
