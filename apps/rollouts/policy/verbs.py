"""Which verb may be used now, and why not: the same answer for the page's buttons and for the services."""

from dataclasses import dataclass

from apps.rollouts.states import RolloutState, StageState, Verb

LEGAL_IN: dict[Verb, frozenset[RolloutState]] = {
    Verb.EDIT: frozenset({RolloutState.DRAFT, RolloutState.AWAITING_APPROVAL}),
    Verb.SUBMIT: frozenset({RolloutState.DRAFT}),
    Verb.APPROVE: frozenset({RolloutState.AWAITING_APPROVAL}),
    Verb.REJECT: frozenset({RolloutState.AWAITING_APPROVAL}),
    Verb.PAUSE: frozenset({RolloutState.RUNNING}),
    Verb.RESUME: frozenset({RolloutState.PAUSED}),
    Verb.ADVANCE_NOW: frozenset({RolloutState.RUNNING, RolloutState.PAUSED}),
    Verb.STOP: frozenset({RolloutState.SCHEDULED, RolloutState.RUNNING, RolloutState.PAUSED}),
    Verb.ROLL_BACK: frozenset(
        {RolloutState.RUNNING, RolloutState.PAUSED, RolloutState.COMPLETED, RolloutState.STOPPED}
    ),
}


@dataclass(frozen=True, slots=True)
class VerbFacts:
    state: RolloutState
    is_author: bool
    has_right: bool
    stage_state: StageState | None
    """Of the stage that is not passed yet; None when all are."""
    is_last_stage: bool
    open_count: int
    """Devices of that stage that have not finished updating."""


def refusal(verb: Verb, facts: VerbFacts) -> str:
    """Why the verb cannot be used now, as a sentence; empty when it can."""
    if not facts.has_right:
        return "Your role does not allow this at all of the rollout's sites."
    if facts.state not in LEGAL_IN[verb]:
        return f"Not while the rollout is {facts.state.label.lower()}."
    if verb is Verb.APPROVE and facts.is_author:
        return "You wrote this rollout; another person has to approve it."
    if verb is Verb.RESUME and facts.stage_state == StageState.FAILED:
        return "The stage failed its gate: advance on your own word, stop, or roll back."
    return _advance_refusal(facts) if verb is Verb.ADVANCE_NOW else ""


def _advance_refusal(facts: VerbFacts) -> str:
    if facts.stage_state in (None, StageState.WAITING):
        return "No stage is running."
    if facts.is_last_stage and facts.open_count:
        return "This is the last stage: a rollout is complete only when each device has finished updating."
    return ""
