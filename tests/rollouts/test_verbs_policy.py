import itertools
from dataclasses import replace

import pytest

from apps.rollouts.policy import StageFacts, VerbFacts, refusal, why_waiting
from apps.rollouts.states import RolloutState, StageState, Verb

FACTS = VerbFacts(
    state=RolloutState.RUNNING,
    is_author=False,
    has_right=True,
    stage_state=StageState.SOAKING,
    is_last_stage=False,
    open_count=0,
)
ALLOWED = {
    RolloutState.DRAFT: {Verb.EDIT, Verb.SUBMIT},
    RolloutState.AWAITING_APPROVAL: {Verb.EDIT, Verb.APPROVE, Verb.REJECT},
    RolloutState.SCHEDULED: {Verb.STOP},
    RolloutState.RUNNING: {Verb.PAUSE, Verb.ADVANCE_NOW, Verb.STOP, Verb.ROLL_BACK},
    RolloutState.PAUSED: {Verb.RESUME, Verb.ADVANCE_NOW, Verb.STOP, Verb.ROLL_BACK},
    RolloutState.COMPLETED: {Verb.ROLL_BACK},
    RolloutState.STOPPED: {Verb.ROLL_BACK},
}


@pytest.mark.parametrize(("state", "verb"), list(itertools.product(RolloutState, Verb)))
def test_each_verb_is_offered_in_exactly_its_states_and_else_says_why_not(state, verb):
    why_not = refusal(verb, replace(FACTS, state=state))
    assert (why_not == "") == (verb in ALLOWED.get(state, set()))
    assert why_not == "" or why_not.endswith(".")


def test_an_author_cannot_approve_but_may_reject():
    waiting = replace(FACTS, state=RolloutState.AWAITING_APPROVAL, is_author=True)
    assert "another person" in refusal(Verb.APPROVE, waiting)
    assert refusal(Verb.REJECT, waiting) == ""


def test_a_failed_stage_cannot_be_resumed_only_overruled():
    failed = replace(FACTS, state=RolloutState.PAUSED, stage_state=StageState.FAILED)
    assert "failed its gate" in refusal(Verb.RESUME, failed)
    assert refusal(Verb.ADVANCE_NOW, failed) == ""


def test_the_last_stage_cannot_be_advanced_while_a_device_is_still_updating():
    last = replace(FACTS, is_last_stage=True)
    assert refusal(Verb.ADVANCE_NOW, last) == ""
    assert "complete only when" in refusal(Verb.ADVANCE_NOW, replace(last, open_count=1))


def test_without_the_right_no_verb_is_offered():
    assert all(refusal(verb, replace(FACTS, has_right=False)) for verb in Verb)


@pytest.mark.parametrize("state", list(RolloutState))
def test_every_state_says_what_it_waits_for(state):
    assert why_waiting(state, "", None).endswith(".")


def test_a_running_stage_says_how_many_devices_it_waits_for():
    stage = StageFacts(
        number=1,
        stage_count=3,
        state=StageState.DEPLOYING,
        target_count=5,
        open_count=2,
        not_begun_count=1,
        gate_reason="",
    )
    sentence = why_waiting(RolloutState.RUNNING, "", stage)
    assert sentence == "Stage 1 of 3 is deploying: 2 of 5 devices still updating, 1 of them not begun."


def test_a_paused_rollout_repeats_the_reason():
    assert why_waiting(RolloutState.PAUSED, "Errors 4 %.", None) == "Paused: Errors 4 %."
