import itertools

import pytest

from apps.core.moves import IllegalMove, require_legal
from apps.rollouts.states import (
    ROLLOUT_MOVES,
    STAGE_MOVES,
    TARGET_ENDS,
    TARGET_MOVES,
    TARGET_ON_DEVICE,
    RolloutState,
    StageState,
    TargetState,
)

TABLES = [(RolloutState, ROLLOUT_MOVES), (StageState, STAGE_MOVES), (TargetState, TARGET_MOVES)]
EVERY_PAIR = [
    (moves, old, new) for states, moves in TABLES for old, new in itertools.product(states.values, states.values)
]


@pytest.mark.parametrize(("moves", "old", "new"), EVERY_PAIR)
def test_exactly_the_moves_of_the_table_are_legal(moves, old, new):
    if new in moves[old]:
        require_legal(moves, old, new)
    else:
        with pytest.raises(IllegalMove):
            require_legal(moves, old, new)


def test_every_state_has_a_row_in_its_table():
    for states, moves in TABLES:
        assert set(moves) == set(states.values)


def test_nothing_runs_without_an_approval():
    ways_in = {old for old, news in ROLLOUT_MOVES.items() if RolloutState.SCHEDULED in news}
    assert ways_in == {RolloutState.AWAITING_APPROVAL}
    assert {old for old, news in ROLLOUT_MOVES.items() if RolloutState.RUNNING in news} == {"scheduled", "paused"}


def test_a_device_may_report_any_step_from_any_step():
    for old in TARGET_ON_DEVICE | {TargetState.TIMED_OUT}:
        assert (TARGET_ON_DEVICE | TARGET_ENDS) - {old} <= TARGET_MOVES[old]
