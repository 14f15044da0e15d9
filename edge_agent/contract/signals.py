"""From a sensor's samples to the model's input, computed identically where models are trained and where they run."""

from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from edge_agent.values import Tensor
from edge_agent.wire.signals import FeatureKind, FeatureSpec, FilterKind, FilterSpec, SignalSpec

Samples = NDArray[np.floating]
"""(channels, sample_count)."""
_Channels = NDArray[np.float64]


class BadSignal(ValueError):
    """These samples cannot be judged; the text says why."""


def to_signal_tensor(samples: Samples, spec: SignalSpec) -> Tensor:
    """Filter, extract the features, then (value - mean) / std. Computed in float64, given in float32.

    samples: (channels, sample_count), all finite.
    Returns contiguous (1, channels, sample_count) without features, else (1, channels * features).
    Raises BadSignal for other samples, ValueError for a spec that contradicts itself.
    """
    require_signal(samples, spec)
    values = filtered(samples, spec)
    if spec.features:
        values = features(values, spec).reshape(-1)
    return np.ascontiguousarray(_normalized(values, spec)[np.newaxis], dtype=np.float32)


def require_signal(samples: Samples, spec: SignalSpec) -> None:
    """Raises BadSignal unless the samples have the spec's shape and are numbers."""
    wanted = (spec.channels, spec.sample_count)
    if samples.shape != wanted:
        raise BadSignal(f"shape {samples.shape} instead of {wanted}")
    if not np.isfinite(samples).all():
        raise BadSignal("samples are missing")


def filtered(samples: Samples, spec: SignalSpec) -> _Channels:
    """The samples after removal of the mean and all filters. Same shape; ends are mirrored, not padded with zeros."""
    values = np.asarray(samples, np.float64)
    if spec.is_mean_removed:
        values = values - values.mean(axis=1, keepdims=True)
    for one in spec.filters:
        values = _filter(values, one, spec)
    return values


def features(values: _Channels, spec: SignalSpec) -> _Channels:
    """(channels, features), in the spec's order."""
    return np.stack([_feature(values, one, spec) for one in spec.features], axis=1)


def _filter(values: _Channels, one: FilterSpec, spec: SignalSpec) -> _Channels:
    if one.length % 2 == 0 or one.length > spec.sample_count:
        raise ValueError(f"a filter's length is odd and at most the sample count, not {one.length}")
    mirrored = np.pad(values, ((0, 0), (one.length // 2, one.length // 2)), mode="reflect")
    if one.kind is FilterKind.MEDIAN:
        return np.asarray(np.median(sliding_window_view(mirrored, one.length, axis=1), axis=2))
    weights = np.full(one.length, 1 / one.length)
    if one.kind is FilterKind.BAND:
        weights = _band_weights(one, spec.rate_hz)
    return np.stack([np.convolve(channel, weights, mode="valid") for channel in mirrored])


def _band_weights(one: FilterSpec, rate_hz: float) -> NDArray[np.float64]:
    """A windowed-sinc band pass (Hamming): the low pass at `high_hz` less the low pass at `low_hz`."""
    low_hz, high_hz = one.low_hz or 0.0, one.high_hz or rate_hz / 2
    if not 0 <= low_hz < high_hz <= rate_hz / 2:
        raise ValueError(f"a band lies between 0 and half the rate, not {low_hz} to {high_hz} Hz")
    whole = np.zeros(one.length)
    whole[one.length // 2] = 1.0
    upper = whole if high_hz == rate_hz / 2 else _low_pass(high_hz / rate_hz, one.length)
    return upper - _low_pass(low_hz / rate_hz, one.length) if low_hz > 0 else upper


def _low_pass(cut_ratio: float, length: int) -> NDArray[np.float64]:
    """Passes what is constant unchanged. cut_ratio: of the sampling rate."""
    places = np.arange(length) - length // 2
    weights = np.sinc(2 * cut_ratio * places) * np.hamming(length)
    return np.asarray(weights / weights.sum())


def _feature(values: _Channels, one: FeatureSpec, spec: SignalSpec) -> NDArray[np.float64]:
    """One number per channel."""
    if one.kind is FeatureKind.MEAN:
        return np.asarray(values.mean(axis=1))
    if one.kind is FeatureKind.BAND_ENERGY:
        return _band_energy(values, one, spec.rate_hz)
    if one.kind in (FeatureKind.SKEWNESS, FeatureKind.KURTOSIS):
        return _moment_ratio(values, 3 if one.kind is FeatureKind.SKEWNESS else 4)
    rms = np.sqrt((values**2).mean(axis=1))
    peak = np.abs(values).max(axis=1)
    if one.kind is FeatureKind.CREST:
        return _ratio(peak, rms)
    return np.asarray(rms if one.kind is FeatureKind.RMS else peak)


def _moment_ratio(values: _Channels, order: int) -> NDArray[np.float64]:
    """The standardized central moment: kurtosis is 3 for normal noise and 1.5 for a sine; 0 for what is constant."""
    centred = values - values.mean(axis=1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(axis=1))
    return _ratio((centred**order).mean(axis=1), deviation**order)


def _band_energy(values: _Channels, one: FeatureSpec, rate_hz: float) -> NDArray[np.float64]:
    """The mean square that lies in the band (Hann window); all bands together give the variance, nearly."""
    window = np.hanning(values.shape[1])
    centred = values - values.mean(axis=1, keepdims=True)
    power = 2 * np.abs(np.fft.rfft(centred * window, axis=1)) ** 2 / (values.shape[1] * (window**2).sum())
    at_hz = np.fft.rfftfreq(values.shape[1], 1 / rate_hz)
    high_hz = one.high_hz if one.high_hz is not None else np.inf
    return np.asarray(power[:, (at_hz >= one.low_hz) & (at_hz < high_hz)].sum(axis=1))


def _ratio(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 1e-12)


def _normalized(values: NDArray[np.float64], spec: SignalSpec) -> NDArray[np.float64]:
    mean, std = _by_value(spec.mean, values, default=0.0), _by_value(spec.std, values, default=1.0)
    if not std.all():
        raise ValueError("no std may be 0")
    return (values - mean) / std


def _by_value(given: Sequence[float], values: NDArray[np.float64], *, default: float) -> NDArray[np.float64]:
    """One number for each channel or feature, ready to be applied along the first axis."""
    numbers = np.asarray(given or [default] * len(values), np.float64)
    if numbers.size != len(values):
        raise ValueError(f"mean and std need {len(values)} values each, not {numbers.size}")
    return numbers.reshape(-1, *[1] * (values.ndim - 1))
