"""The small pure pieces of core: state moves and intervals."""

import pytest

from apps.core.moves import IllegalMove, require_legal
from apps.core.statistics import proportion
from apps.devices.states import COMMAND_MOVES, CommandState


def test_a_legal_move_passes_and_an_illegal_one_is_a_programmers_mistake():
    require_legal(COMMAND_MOVES, CommandState.QUEUED, CommandState.DELIVERED)
    with pytest.raises(IllegalMove):
        require_legal(COMMAND_MOVES, CommandState.SUCCEEDED, CommandState.QUEUED)


def test_the_wilson_interval_equals_the_published_example():
    """Newcombe 1998, table I, method 3 (score without continuity correction): 81/263 gives 0.2553 to 0.3662."""
    share = proportion(81, 263)
    assert share.low_ratio == pytest.approx(0.2553, abs=5e-5)
    assert share.high_ratio == pytest.approx(0.3662, abs=5e-5)


def test_a_share_of_nothing_is_unknown_and_not_zero():
    share = proportion(0, 0)
    assert share.share_ratio is None
    assert (share.low_ratio, share.high_ratio) == (0.0, 1.0)
