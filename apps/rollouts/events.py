from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RolloutChanged:
    rollout_id: int
