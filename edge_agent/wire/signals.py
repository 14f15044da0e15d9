"""How a sensor's samples become a model's input, and what one sensor's good recordings look like."""

from enum import StrEnum
from typing import Annotated

import msgspec

from edge_agent.wire.quality import Range

SampleCount = Annotated[int, msgspec.Meta(ge=8, le=1_048_576)]
Hertz = Annotated[float, msgspec.Meta(gt=0, le=10_000_000)]


class FilterKind(StrEnum):
    MOVING_AVERAGE = "moving_average"
    MEDIAN = "median"
    BAND = "band"


class FilterSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """length: samples, odd; centred, so that it delays nothing. low_hz, high_hz: of a band; None: open."""

    kind: FilterKind
    length: Annotated[int, msgspec.Meta(ge=3, le=4095)]
    low_hz: Hertz | None = None
    high_hz: Hertz | None = None


class FeatureKind(StrEnum):
    MEAN = "mean"
    RMS = "rms"
    PEAK = "peak"
    CREST = "crest"
    SKEWNESS = "skewness"
    KURTOSIS = "kurtosis"
    BAND_ENERGY = "band_energy"


class FeatureSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """low_hz, high_hz: of a band energy."""

    kind: FeatureKind
    low_hz: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    high_hz: Hertz | None = None


class SignalSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From samples to the model's input, executed identically in training and on the device.

    Filters run in their order. Without features the input is the filtered samples, (1, channels, sample_count); with
    features it is (1, channels * features), all features of the first channel first. Then (value - mean) / std, for
    each channel or each feature; empty leaves the values as they are.
    """

    rate_hz: Hertz
    sample_count: SampleCount
    channels: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    is_mean_removed: bool = False
    filters: tuple[FilterSpec, ...] = ()
    features: tuple[FeatureSpec, ...] = ()
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()


class SignalBaseline(msgspec.Struct, frozen=True, kw_only=True):
    """Belongs to one sensor on one kind of part. zero_line and spread: median and deviation by channel."""

    format: int = 1
    frame_count: int
    single: dict[str, Range]
    zero_line: list[float]
    spread: list[float]
