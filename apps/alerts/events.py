from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AlertChanged:
    alert_id: int
