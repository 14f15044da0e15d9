"""What devices reported, read: the fleet now, one device's history, the ledger, what gates judge."""

from apps.telemetry.selectors.fleet import DeviceNow, StripHour, device_now, fleet
from apps.telemetry.selectors.history import (
    WindowPoint,
    control_recent,
    quantiles,
    results_recent,
    window_rows,
    windows,
)
from apps.telemetry.selectors.latency import Latency
from apps.telemetry.selectors.ledger import LedgerRow, ledger, watermarks
from apps.telemetry.selectors.updates import ModelFacts, UpdateStepFact, model_facts, update_steps

__all__ = [
    "DeviceNow",
    "Latency",
    "LedgerRow",
    "ModelFacts",
    "StripHour",
    "UpdateStepFact",
    "WindowPoint",
    "control_recent",
    "device_now",
    "fleet",
    "ledger",
    "model_facts",
    "quantiles",
    "results_recent",
    "update_steps",
    "watermarks",
    "window_rows",
    "windows",
]
