"""Every life cycle has one table of legal moves, and every state its own word and shape."""

import importlib
from enum import Enum

import lucide
import pytest

from apps.dashboard.looks import ENUMS, LOOKS
from tests.architecture.source import ROOT

STATE_MODULES = sorted(
    ".".join(file.relative_to(ROOT).with_suffix("").parts) for file in (ROOT / "apps").glob("*/states.py")
)


def tables():
    for name in STATE_MODULES:
        module = importlib.import_module(name)
        for word, table in vars(module).items():
            if word.endswith("_MOVES"):
                yield pytest.param(table, id=f"{name}.{word}")


@pytest.mark.parametrize("table", list(tables()))
def test_a_table_of_moves_covers_its_enum_and_nothing_else(table):
    enum = type(next(iter(table)))
    assert issubclass(enum, Enum)
    assert set(table) == set(enum)
    assert all(moves <= set(enum) for moves in table.values())


@pytest.mark.parametrize("cycle", sorted(ENUMS))
def test_every_state_that_is_shown_has_a_look_of_its_own(cycle):
    looks = LOOKS[cycle]
    assert set(looks) == set(ENUMS[cycle])
    assert len({one.word for one in looks.values()}) == len(looks)
    assert len({one.icon for one in looks.values()}) == len(looks)


def test_one_word_has_one_icon_everywhere_and_one_icon_one_word():
    pairs = {(one.word, one.icon) for looks in LOOKS.values() for one in looks.values()}
    assert len({word for word, _ in pairs}) == len(pairs)
    assert len({icon for _, icon in pairs}) == len(pairs)


@pytest.mark.parametrize("icon", sorted({one.icon for looks in LOOKS.values() for one in looks.values()}))
def test_every_icon_is_in_the_kept_package(icon):
    assert "<svg" in lucide._render_icon(icon, 14)
