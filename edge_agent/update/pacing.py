"""When a site allows downloads, how fast, and whether there is room for one. Pure, but for `measured_room`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from edge_agent.wire.messages import ModelOffer

DISK_RESERVE_BYTES = 64 * 1024 * 1024
"""Left for the journal, whose records matter more than any update."""
MEMORY_FACTOR = 2
"""A model lies in memory twice at the switch: the trial has ended by then, the old version has not."""
_MINUTE_MS = 60_000
_DAY_MINUTES = 1440


@dataclass(frozen=True, slots=True)
class Room:
    disk_free_bytes: int
    memory_available_bytes: int


RoomProbe = Callable[[], Room]
"""Raises OSError."""


def measured_room(folder: Path) -> Room:
    return Room(
        disk_free_bytes=psutil.disk_usage(str(folder)).free,
        memory_available_bytes=psutil.virtual_memory().available,
    )


def lacking_room(offer: ModelOffer, room: Room, *, had_bytes: int = 0) -> str:
    """Why the offered file does not fit now, its code first; empty when it does.

    had_bytes: what of it lies on the disk already. It is there twice for a moment: as the file and unpacked.
    """
    wants = offer.compatibility
    needed_bytes = 2 * offer.size_bytes - had_bytes + DISK_RESERVE_BYTES
    needed_bytes = max(needed_bytes, wants.min_disk_free_bytes if wants else 0)
    if room.disk_free_bytes < needed_bytes:
        return f"disk_short: {room.disk_free_bytes} bytes free, {needed_bytes} needed"
    if room.memory_available_bytes < MEMORY_FACTOR * offer.size_bytes:
        return f"memory_short: {room.memory_available_bytes} bytes free, {MEMORY_FACTOR * offer.size_bytes} needed"
    return ""


def closed_for_s(offer: ModelOffer, now_ms: int) -> float:
    """Seconds until the site's window opens; 0 while it is open. now_ms: UTC, the cloud's time."""
    if offer.window_minutes == 0:
        return 0.0
    start_ms = offer.window_start_minute * _MINUTE_MS
    since_start_ms = (now_ms - start_ms) % (_DAY_MINUTES * _MINUTE_MS)
    if since_start_ms < offer.window_minutes * _MINUTE_MS:
        return 0.0
    return (_DAY_MINUTES * _MINUTE_MS - since_start_ms) / 1000


@dataclass(slots=True)
class Throttle:
    """Holds a download to `max_bytes_per_s` on average since it began; 0 is unlimited."""

    max_bytes_per_s: int
    begun_s: float
    byte_count: int = 0

    def pause_s(self, count: int, now_s: float) -> float:
        """Count bytes that came; how long to wait before taking more."""
        self.byte_count += count
        if self.max_bytes_per_s == 0:
            return 0.0
        return max(0.0, self.begun_s + self.byte_count / self.max_bytes_per_s - now_s)
