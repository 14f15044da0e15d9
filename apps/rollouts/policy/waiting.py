"""What a rollout is waiting for, in one sentence."""

from dataclasses import dataclass

from apps.rollouts.states import RolloutState, StageState


@dataclass(frozen=True, slots=True)
class StageFacts:
    """Where the running stage stands. Counts are devices."""

    number: int
    stage_count: int
    state: StageState
    target_count: int
    open_count: int
    not_begun_count: int
    """Offered, and no step of theirs was reported yet."""
    gate_reason: str


_RESTING = {
    RolloutState.DRAFT: "A draft. Nothing happens before it is submitted and somebody else approves it.",
    RolloutState.AWAITING_APPROVAL: "Waits for the approval of somebody who did not write it.",
    RolloutState.SCHEDULED: "Approved; starts within seconds.",
    RolloutState.COMPLETED: "Completed.",
    RolloutState.RETURNING: "Going back: waiting until each device reports its previous version.",
    RolloutState.RETURNED: "Taken back.",
    RolloutState.STOPPED: "Stopped. Devices that had confirmed the version keep it.",
    RolloutState.REJECTED: "Rejected.",
}


def why_waiting(state: RolloutState, state_reason: str, stage: StageFacts | None) -> str:
    """One sentence for people: what happens now and what the next step waits for."""
    if state == RolloutState.PAUSED:
        return f"Paused: {state_reason}" if state_reason else "Paused by a person."
    if state != RolloutState.RUNNING or stage is None:
        return f"{_RESTING[state]} {state_reason}".strip() if state in _RESTING else "Starts within seconds."
    where = f"Stage {stage.number} of {stage.stage_count}"
    if stage.open_count == 0:
        return f"{where} is {stage.state.label.lower()}. {stage.gate_reason}"
    silent = f", {stage.not_begun_count} of them not begun" if stage.not_begun_count else ""
    return f"{where} is deploying: {stage.open_count} of {stage.target_count} devices still updating{silent}."
