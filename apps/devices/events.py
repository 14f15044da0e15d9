"""What others may want to hear of sooner. Each carries ids only; the rows are the truth."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DeviceChanged:
    device_id: str


@dataclass(frozen=True, slots=True)
class ConfigurationChanged:
    device_id: str


@dataclass(frozen=True, slots=True)
class CommandChanged:
    device_id: str
    command_id: str


@dataclass(frozen=True, slots=True)
class PlaceChanged:
    """A site or one of its lines has another name, clock or product."""

    site_id: int
