"""From a section of the configuration to a camera."""

from collections.abc import Callable

from edge_agent.clock import Clock
from edge_agent.config import (
    AnyCamera,
    GenicamConfig,
    ReplayConfig,
    SnapshotConfig,
    StreamConfig,
    SupervisedConfig,
    VideoConfig,
)
from edge_agent.line.camera import Source
from edge_agent.line.cameras.genicam import GenicamSource
from edge_agent.line.cameras.replay import ReplayCamera
from edge_agent.line.cameras.snapshot import SnapshotSource
from edge_agent.line.cameras.stream import StreamSource
from edge_agent.line.cameras.supervised import SupervisedCamera
from edge_agent.line.cameras.video import VideoSource


def camera_of(config: AnyCamera, name: str, clock: Clock) -> ReplayCamera | SupervisedCamera:
    """A supervised camera must be run as a part of the agent; a replay reads local files and needs no supervision."""
    if isinstance(config, ReplayConfig):
        return ReplayCamera(config, clock)
    return SupervisedCamera(name, config, _source_of(config), clock)


def _source_of(config: SupervisedConfig) -> Callable[[], Source]:
    match config:
        case VideoConfig():
            return lambda: VideoSource(config)
        case StreamConfig():
            return lambda: StreamSource(config)
        case SnapshotConfig():
            return lambda: SnapshotSource(config)
        case GenicamConfig():
            return lambda: GenicamSource(config)
    raise AssertionError(f"no source for {type(config).__name__}")
