"""RTSP and V4L2 through OpenCV."""

import cv2
import numpy as np

from edge_agent.config import StreamConfig
from edge_agent.line.camera import BadPicture, Shot, SourceLost

V4L2_PREFIX = "/dev/"
BUFFERED_FRAMES = 1
LOST_AFTER = 3
"""So many reads without a frame are no glitch."""


class StreamSource:
    """Read without pause, so that what the line gets is what stands there now and not what was buffered."""

    is_live = True
    is_streaming = True

    def __init__(self, config: StreamConfig) -> None:
        self._address = config.address
        self._limits_ms = {
            cv2.CAP_PROP_OPEN_TIMEOUT_MSEC: config.open_timeout_s * 1000,
            cv2.CAP_PROP_READ_TIMEOUT_MSEC: config.timeout_s * 1000,
        }
        self._capture = cv2.VideoCapture()
        self._missed_count = 0

    def open(self) -> None:
        if not self._opened():
            # Without the address: it may hold a password.
            raise SourceLost("the stream cannot be opened")
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, BUFFERED_FRAMES)

    def read(self) -> Shot:
        is_read, pixels = self._capture.read()
        if is_read:
            self._missed_count = 0
            return Shot(np.asarray(pixels, np.uint8))
        self._missed_count += 1
        if self._missed_count >= LOST_AFTER or not self._capture.isOpened():
            raise SourceLost("the stream ended")
        raise BadPicture("a frame could not be decoded")

    def close(self) -> None:
        self._capture.release()

    def _opened(self) -> bool:
        if self._address.startswith(V4L2_PREFIX):
            return bool(self._capture.open(self._address, cv2.CAP_V4L2))
        # FFmpeg's own limits: without them a dead peer holds the thread for half a minute.
        limits = [int(value) for pair in self._limits_ms.items() for value in pair]
        return bool(self._capture.open(self._address, cv2.CAP_FFMPEG, limits))
