"""A source in a thread of its own: whatever it does, the line waits no longer than it said."""

import logging
import threading

from edge_agent.clock import Clock
from edge_agent.line.camera import BadPicture, Shot, Source, SourceLost

logger = logging.getLogger(__name__)

BAD_PICTURES_MAX = 10
"""So many garbage pictures in a row, and the source is opened anew."""


class Reader:
    """One life of one source: opened, read until it fails, closed by the thread that opened it.

    A reader that hangs is abandoned; its thread ends by itself when the driver lets go of it.
    """

    def __init__(self, source: Source, clock: Clock, name: str) -> None:
        self._source = source
        self._clock = clock
        self._wanted = threading.Event()
        self._arrived = threading.Condition()
        self._number = 0
        self._latest: Shot | BadPicture | None = None
        self._is_abandoned = False
        self._busy_since_s: float | None = clock.monotonic_s()
        """When the source was asked for what it has not given yet."""
        self.is_open = False
        self.failure = ""
        """Why the source ended; empty while it lives."""
        self._thread = threading.Thread(target=self._run, name=f"camera-{name}", daemon=True)
        self._thread.start()

    @property
    def is_ended(self) -> bool:
        return not self._thread.is_alive()

    def busy_s(self) -> float:
        """For how long the source has owed an answer; 0 while nothing is asked of it."""
        since_s = self._busy_since_s
        return 0.0 if since_s is None else self._clock.monotonic_s() - since_s

    def next_shot(self, timeout_s: float) -> Shot:
        """The first picture that comes after this call: it shows what stands there now.

        Raises SourceLost when there is none in time, BadPicture when it is garbage.
        """
        if not self._source.is_streaming and (self._wanted.is_set() or self._busy_since_s is not None):
            # It would show the part before this one.
            raise SourceLost("the picture asked for before is still on its way")
        with self._arrived:
            number = self._number
            self._wanted.set()
            self._arrived.wait_for(lambda: self._number > number or bool(self.failure), timeout_s)
            latest = self._latest if self._number > number else None
        if latest is None:
            raise SourceLost(self.failure or f"no picture within {timeout_s:.1f} s")
        if isinstance(latest, BadPicture):
            raise latest
        return latest

    def abandon(self) -> None:
        """Use it no more. Never waits."""
        self._is_abandoned = True
        self._wanted.set()

    def _run(self) -> None:
        try:
            self._read_until_lost()
        except SourceLost as exc:
            self._fail(str(exc) or "lost")
        except Exception as exc:
            # Camera libraries throw what they like; for the line it is a camera that must be opened anew.
            logger.exception("camera_broke thread=%s", self._thread.name)
            self._fail(f"{type(exc).__name__}: {exc}")
        finally:
            self._source.close()

    def _read_until_lost(self) -> None:
        self._source.open()
        self.is_open = True
        bad_count = 0
        while not self._is_abandoned:
            if not self._source.is_streaming:
                self._busy_since_s = None
                self._wanted.wait()
                self._wanted.clear()
            self._busy_since_s = self._clock.monotonic_s()
            shot = self._read()
            bad_count = bad_count + 1 if isinstance(shot, BadPicture) else 0
            self._hand_over(shot)
            if bad_count >= BAD_PICTURES_MAX:
                raise SourceLost(f"{bad_count} garbage pictures in a row, the last: {shot}")

    def _read(self) -> Shot | BadPicture:
        try:
            return self._source.read()
        except BadPicture as exc:
            return exc

    def _hand_over(self, shot: Shot | BadPicture) -> None:
        with self._arrived:
            self._number += 1
            self._latest = shot
            self._arrived.notify_all()

    def _fail(self, text: str) -> None:
        with self._arrived:
            self.failure = text[:200]
            self._arrived.notify_all()
