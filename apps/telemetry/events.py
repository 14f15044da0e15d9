"""What devices reported and others may want to hear of sooner. Ids only; the rows are the truth."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ResultsArrived:
    device_id: str


@dataclass(frozen=True, slots=True)
class ControlArrived:
    device_id: str


@dataclass(frozen=True, slots=True)
class UpdateStepArrived:
    device_id: str


@dataclass(frozen=True, slots=True)
class StreamQuarantined:
    """A journal contradicted what it had said before; its device is quarantined."""

    device_id: str
