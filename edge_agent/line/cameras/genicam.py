"""GigE Vision and USB3 Vision cameras through harvesters and the maker's GenTL producer.

Harvesters and the GenICam binding are an extra of the wheel: the binding has a licence of its own, and a
camera needs its maker's producer anyway.
"""

import contextlib
from typing import Any

import cv2
import numpy as np

from edge_agent.config import GenicamConfig
from edge_agent.line.camera import BadPicture, Shot, SourceLost
from edge_agent.values import Pixels

NOT_AVAILABLE = (
    "GenICam is not available on this device: install the extra with `pip install 'hybridai-edge-agent[genicam]'`"
)

_TO_BGR = {
    "Mono8": cv2.COLOR_GRAY2BGR,
    "RGB8": cv2.COLOR_RGB2BGR,
    "BayerRG8": cv2.COLOR_BayerRGGB2BGR,
    "BayerBG8": cv2.COLOR_BayerBGGR2BGR,
    "BayerGB8": cv2.COLOR_BayerGBRG2BGR,
    "BayerGR8": cv2.COLOR_BayerGRBG2BGR,
}
_CHANNELS = {"RGB8": 3, "BGR8": 3}


class GenicamSource:
    is_live = True
    is_streaming = True

    def __init__(self, config: GenicamConfig) -> None:
        self._config = config
        # Any: the library has no types.
        self._harvester: Any = None
        self._acquirer: Any = None

    def open(self) -> None:
        """Raises SourceLost, with the command that installs it when the extra is missing."""
        try:
            from harvesters.core import Harvester
        except ImportError as exc:
            raise SourceLost(NOT_AVAILABLE) from exc
        if not self._config.producer_file.is_file():
            raise SourceLost(f"there is no GenTL producer at {self._config.producer_file}")
        self._harvester = Harvester()
        try:
            self._harvester.add_file(str(self._config.producer_file))
            self._harvester.update()
            serial_number = self._config.serial_number
            self._acquirer = self._harvester.create({"serial_number": serial_number} if serial_number else 0)
            self._acquirer.start()
        except Exception as exc:
            # GenTL producers raise whatever their maker chose.
            raise SourceLost(f"{type(exc).__name__}: {exc}") from exc

    def read(self) -> Shot:
        try:
            with self._acquirer.fetch(timeout=self._config.timeout_s) as buffer:
                component = buffer.payload.components[0]
                size_px = (component.height, component.width)
                # Copied within the buffer's life: the driver fills it again.
                return Shot(to_bgr(component.data.copy(), size_px, str(component.data_format)))
        except BadPicture:
            raise
        except Exception as exc:
            raise SourceLost(f"{type(exc).__name__}: {exc}") from exc

    def close(self) -> None:
        for part, end in ((self._acquirer, "destroy"), (self._harvester, "reset")):
            # It ends a camera that is gone already; there is nothing left to tell.
            with contextlib.suppress(Exception):
                getattr(part, end)()


def to_bgr(data: np.ndarray[Any, np.dtype[np.uint8]], size_px: tuple[int, int], data_format: str) -> Pixels:
    """(H, W, 3) BGR of a flat 8-bit buffer.

    size_px: (height, width). Raises BadPicture for another format or length.
    """
    channels = _CHANNELS.get(data_format, 1)
    if data_format not in _TO_BGR and data_format != "BGR8":
        raise BadPicture(f"the pixel format {data_format} is not supported; choose Mono8, RGB8, BGR8 or Bayer…8")
    if data.size != size_px[0] * size_px[1] * channels:
        raise BadPicture(f"{data.size} bytes for {size_px[1]} x {size_px[0]} px of {data_format}")
    shaped = data.reshape((*size_px, channels) if channels > 1 else size_px)
    return np.asarray(cv2.cvtColor(shaped, _TO_BGR[data_format]) if data_format in _TO_BGR else shaped, np.uint8)
