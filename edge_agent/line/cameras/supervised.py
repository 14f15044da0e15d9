"""A camera that is opened again whatever becomes of it: cable pulled, driver hung, garbage, wrong size, frozen."""

import logging
import threading
import time
from collections.abc import Callable

from edge_agent.clock import Clock
from edge_agent.config import SupervisedConfig
from edge_agent.line.backoff import Backoff
from edge_agent.line.camera import BadFrame, BadPicture, CameraFault, PartNames, Shot, Source, SourceLost
from edge_agent.line.cameras.checks import SeriesCheck
from edge_agent.line.cameras.reader import Reader
from edge_agent.values import Frame

logger = logging.getLogger(__name__)

LOOK_S = 0.1
HUNG_MAX = 3
"""Readers that hang in a driver cost a thread each; with so many the camera waits until one comes back."""


class SupervisedCamera:
    """`capture` is the line's, `run` a part of the agent's that brings the source back. They share the reader alone."""

    def __init__(self, name: str, config: SupervisedConfig, new_source: Callable[[], Source], clock: Clock) -> None:
        self.name = f"camera-{name}"
        self._config = config
        self._new_source = new_source
        self._clock = clock
        self._parts = PartNames(config.product, config.lot)
        self._backoff = Backoff(clock)
        self._reader: Reader | None = None
        self._hung: list[Reader] = []
        self._check = _series_check(config)
        self._wish = ""
        """Why the line wants the source to be opened anew; empty: it does not."""
        self.fault = "not opened yet"
        """Empty while pictures can be taken."""

    def capture(self) -> Frame:
        """At most `timeout_s` late. Raises CameraFault at once while the source is away."""
        reader, start_s = self._reader, time.perf_counter()
        if reader is None or not reader.is_open:
            raise CameraFault(f"{self.name}: {self.fault or 'away'}")
        try:
            shot = reader.next_shot(self._config.timeout_s)
        except SourceLost as exc:
            raise CameraFault(f"{self.name}: {exc}") from exc
        except BadPicture as exc:
            raise BadFrame(f"{self.name}: {exc}", self._parts.next_part()) from exc
        self._require_sound(shot)
        return self._frame(shot, start_s)

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self.look()
            self._clock.wait(stop, LOOK_S)
        self._give_up("stopped")

    def look(self) -> None:
        """Open what is due, and give up what has failed or hangs. Never waits."""
        self._hung = [reader for reader in self._hung if not reader.is_ended]
        if self._reader is None:
            self._open_when_due()
        elif trouble := self._trouble(self._reader):
            self._give_up(trouble)
            logger.warning("camera_lost camera=%s reason=%s again_s=%.1f", self.name, trouble, self._backoff.failed())
        elif self.fault and self._reader.is_open:
            logger.info("camera_open camera=%s", self.name)
            self.fault = ""

    def _open_when_due(self) -> None:
        if len(self._hung) >= HUNG_MAX:
            self.fault = f"{HUNG_MAX} readers hang in the driver"
        elif self._backoff.is_due:
            self._backoff.tried()
            source = self._new_source()
            # The size holds across openings: a camera that comes back with another one must not pass unnoticed.
            self._check.opened(is_live=source.is_live)
            self._reader = Reader(source, self._clock, self.name)

    def _trouble(self, reader: Reader) -> str:
        wish, self._wish = self._wish, ""
        limit_s = self._config.timeout_s if reader.is_open else self._config.open_timeout_s
        if reader.failure:
            return reader.failure
        if reader.busy_s() > limit_s:
            return f"hangs for more than {limit_s:.1f} s"
        return wish

    def _give_up(self, reason: str) -> None:
        reader, self._reader = self._reader, None
        self.fault = reason
        if reader is not None:
            reader.abandon()
            self._hung.append(reader)

    def _require_sound(self, shot: Shot) -> None:
        if fault := self._check.fault(shot.pixels):
            self._wish = fault
            raise BadFrame(f"{self.name}: {fault}", self._parts.next_part())

    def _frame(self, shot: Shot, start_s: float) -> Frame:
        part = self._parts.next_part()
        return Frame(
            pixels=shot.pixels,
            encoded=shot.encoded,
            item=part.item,
            product=part.product,
            lot=part.lot,
            source=part.source,
            captured_ms=self._clock.wall_ms(),
            capture_ms=(time.perf_counter() - start_s) * 1000,
        )


def _series_check(config: SupervisedConfig) -> SeriesCheck:
    size_px = (config.width_px, config.height_px) if config.width_px and config.height_px else None
    return SeriesCheck(size_px=size_px, frozen_after=config.frozen_after)
