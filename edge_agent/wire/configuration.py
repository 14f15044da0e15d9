"""What a person may set from the cloud; the device refuses the rest and keeps what it had."""

from enum import StrEnum
from typing import Annotated

import msgspec

from edge_agent.wire.records import Ratio


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"


class InspectionSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    threshold_ratio: Ratio | None = None
    """Overrides the threshold in the model's package; None keeps the package's own."""
    low_confidence_band_ratio: Ratio = 0.15
    """Items whose score is nearer than this to the threshold count as low confidence."""
    takt_ms: Annotated[int, msgspec.Meta(ge=20, le=600_000)] = 800
    deadline_ms: Annotated[int, msgspec.Meta(ge=5, le=60_000)] = 200


class CollectionSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    random_sample_ratio: Ratio = 0.02
    images_per_hour: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 600
    """The most images kept for upload in one hour; the uncertain ones come first."""


class OperationSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    log_level: LogLevel = LogLevel.INFO
    health_interval_s: Annotated[int, msgspec.Meta(ge=5, le=3600)] = 30
    window_s: Annotated[int, msgspec.Meta(ge=5, le=3600)] = 60
    sync_interval_s: Annotated[int, msgspec.Meta(ge=1, le=3600)] = 2
    disk_budget_mb: Annotated[int, msgspec.Meta(ge=50, le=10_000_000)] = 2_000


class Configuration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    inspection: InspectionSettings = InspectionSettings()
    collection: CollectionSettings = CollectionSettings()
    operation: OperationSettings = OperationSettings()
