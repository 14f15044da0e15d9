"""Brings an offered, signed file onto the disk, within what the site allows and the device can hold."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from edge_agent import __version__
from edge_agent.clock import Clock
from edge_agent.cloud import CloudUnreachable
from edge_agent.update.manifest import PackageRefused, open_package, unmet
from edge_agent.update.pacing import RoomProbe, Throttle, closed_for_s, lacking_room
from edge_agent.update.trust import DownloadStopped, TargetDownload, TrustedRepository, UpdateRefused
from edge_agent.update.versions import Versions
from edge_agent.values import Digest, InstalledVersion
from edge_agent.wire.messages import Hardware, ModelOffer

_WINDOW_LOOK_S = 300.0
"""A window that a new offer moved is noticed no later than this."""
_SLICE_S = 1.0
"""The longest pause at once, so that a stop or a withdrawal is heard in time."""


class Incompatible(Exception):
    """This device lacks what the offer asks for; the text begins with the code."""


class NotNow(Exception):
    """The site's window is closed. Not a try, not a fault."""

    def __init__(self, opens_in_s: float) -> None:
        super().__init__(f"the window opens in {opens_in_s:.0f} s")
        self.opens_in_s = opens_in_s


class Trouble(StrEnum):
    """What has to follow when a version could not be obtained."""

    STOPPED = "stopped"
    LATER = "later"
    """Not the offer's fault, and never counted as a try."""
    AGAIN = "again"
    """Perhaps a proxy spoilt it: tried again a few times."""
    INCOMPATIBLE = "incompatible"
    BROKEN = "broken"
    """It will be wrong each time."""


@dataclass(frozen=True, slots=True)
class NotObtained:
    trouble: Trouble
    reason: str
    wait_s: float | None = None


def not_obtained(error: Exception) -> NotObtained:
    """The one place that says what each failure of a download or an installation means."""
    reason = str(error)
    if isinstance(error, CloudUnreachable):
        return NotObtained(Trouble.LATER, reason, error.retry_after_s)
    if isinstance(error, NotNow):
        return NotObtained(Trouble.LATER, reason, min(error.opens_in_s, _WINDOW_LOOK_S))
    if isinstance(error, OSError):
        return NotObtained(Trouble.AGAIN, f"disk: {reason}")
    troubles: dict[type[Exception], Trouble] = {
        DownloadStopped: Trouble.STOPPED,
        Incompatible: Trouble.INCOMPATIBLE,
        PackageRefused: Trouble.BROKEN,
        UpdateRefused: Trouble.AGAIN,
    }
    return NotObtained(troubles[type(error)], reason)


OBTAIN_ERRORS = (CloudUnreachable, NotNow, Incompatible, DownloadStopped, UpdateRefused, PackageRefused, OSError)


@dataclass(frozen=True, slots=True)
class Fetching:
    repository: TrustedRepository
    downloads: TargetDownload
    hardware: Hardware
    room: RoomProbe
    clock: Clock

    def require_open(self, offer: ModelOffer) -> None:
        """Raises NotNow."""
        opens_in_s = closed_for_s(offer, self.repository.now_ms())
        if opens_in_s > 0:
            raise NotNow(opens_in_s)

    def obtained(self, offer: ModelOffer, versions: Versions, *, stop: Callable[[], bool]) -> InstalledVersion:
        """The unpacked version, from the disk when it is there, else from the cloud; vouched for in both cases.

        Raises one of OBTAIN_ERRORS.
        """
        digest = Digest(offer.digest)
        version = versions.find(digest)
        if version is not None:
            self.repository.find(offer)
            return version
        with self.fetch(offer, stop=stop).open("rb") as file:
            version = versions.install(open_package(file), digest)
        self.downloads.discard(digest)
        return version

    def fetch(self, offer: ModelOffer, *, stop: Callable[[], bool]) -> Path:
        """The whole, verified file.

        Raises NotNow, Incompatible, UpdateRefused, CloudUnreachable, DownloadStopped, OSError.
        """
        self.require_open(offer)
        self._require_fit(offer)
        target = self.repository.find(offer)
        throttle = Throttle(offer.max_bytes_per_s, begun_s=self.clock.monotonic_s())

        def took(count: int) -> bool:
            self._pause(throttle.pause_s(count, self.clock.monotonic_s()), stop)
            return stop() or closed_for_s(offer, self.repository.now_ms()) > 0

        return self.downloads.fetch(target, took=took)

    def _require_fit(self, offer: ModelOffer) -> None:
        reason = unmet(offer.compatibility, self.hardware, agent_version=__version__) if offer.compatibility else ""
        if reason:
            raise Incompatible(reason)
        lack = lacking_room(offer, self.room(), had_bytes=self.downloads.had_bytes(offer.digest))
        if lack:
            code, _, text = lack.partition(": ")
            raise UpdateRefused(code, text)

    def _pause(self, pause_s: float, stop: Callable[[], bool]) -> None:
        until_s = self.clock.monotonic_s() + pause_s
        never = threading.Event()
        while (left_s := until_s - self.clock.monotonic_s()) > 0 and not stop():
            self.clock.wait(never, min(left_s, _SLICE_S))
