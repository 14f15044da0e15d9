from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RunQueued:
    """A run waits for a worker."""

    run_id: int


@dataclass(frozen=True, slots=True)
class RunChanged:
    run_id: int


@dataclass(frozen=True, slots=True)
class VersionChanged:
    version_id: int
