"""What can be done with a rollout, by people and by the product itself."""

from apps.rollouts.services.approval import rollout_approve, rollout_reject
from apps.rollouts.services.authoring import rollout_create, rollout_edit, rollout_submit
from apps.rollouts.services.tick import device_reported, rollout_tick, rollouts_tick_due
from apps.rollouts.services.verbs import (
    rollout_advance_now,
    rollout_pause,
    rollout_reason_add,
    rollout_resume,
    rollout_roll_back,
    rollout_stop,
)

__all__ = [
    "device_reported",
    "rollout_advance_now",
    "rollout_approve",
    "rollout_create",
    "rollout_edit",
    "rollout_pause",
    "rollout_reason_add",
    "rollout_reject",
    "rollout_resume",
    "rollout_roll_back",
    "rollout_stop",
    "rollout_submit",
    "rollout_tick",
    "rollouts_tick_due",
]
