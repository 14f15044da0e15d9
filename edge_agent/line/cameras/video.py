"""A video file, shown again and again."""

import cv2
import numpy as np

from edge_agent.config import VideoConfig
from edge_agent.line.camera import Shot, SourceLost


class VideoSource:
    """One frame per beat. At the end it begins anew; a file that gives no frame at all is lost."""

    is_live = False
    is_streaming = False

    def __init__(self, config: VideoConfig) -> None:
        self._file = config.file
        self._video = cv2.VideoCapture()

    def open(self) -> None:
        if not self._video.open(str(self._file), cv2.CAP_FFMPEG):
            raise SourceLost(f"{self._file} is no video that OpenCV can open")

    def read(self) -> Shot:
        is_read, pixels = self._video.read()
        if not is_read:
            # By opening, not by seeking: not every container can be wound back.
            self.open()
            is_read, pixels = self._video.read()
        if not is_read:
            raise SourceLost(f"{self._file} has no frame")
        return Shot(np.asarray(pixels, np.uint8))

    def close(self) -> None:
        self._video.release()
