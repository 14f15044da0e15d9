"""What a person may set from the cloud; the device refuses the rest and keeps what it had."""

from enum import StrEnum
from typing import Annotated

import msgspec

from edge_agent.wire.records import NonNegative, Ratio, ShortText


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


class Privacy(StrEnum):
    """How much of an image may leave the line; it holds for uploads and for the device's own page."""

    FULL = "full"
    BLURRED = "blurred"
    THUMBNAILS = "thumbnails"
    NEVER = "never"


class ImageRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A person asks for the next `count` images. Each request is served once, however long it stays here."""

    request_id: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    count: Annotated[int, msgspec.Meta(ge=1, le=10_000)]
    line: ShortText = ""
    """Empty: every line of the device."""


class CollectionSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    random_sample_ratio: Ratio = 0.02
    images_per_hour: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 600
    """The most images kept for upload in one hour; the uncertain ones come first."""
    megabytes_per_hour: Annotated[int, msgspec.Meta(ge=0, le=10_000_000)] | None = None
    megabytes_per_day: Annotated[int, msgspec.Meta(ge=0, le=10_000_000)] | None = None
    """None: only `images_per_hour` bounds what is kept."""
    class_quota_per_day: dict[ShortText, NonNegative] = {}
    """By label: of the first so many items a day each image is kept, so that rare classes are seen."""
    requests: Annotated[list[ImageRequest], msgspec.Meta(max_length=100)] = []
    privacy: Privacy = Privacy.FULL


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
