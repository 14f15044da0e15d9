"""State moves: a table of legal moves, and one compare-and-set that all life cycles share."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Model

LegalMoves = Mapping[str, frozenset[str]]


class IllegalMove(RuntimeError):
    """A programmer asked for a move that the table does not have."""


def require_legal(moves: LegalMoves, old: str, new: str) -> None:
    if new not in moves.get(old, frozenset()):
        raise IllegalMove(f"no move from {old} to {new}")


def move(row: type[Model], *, pk: Any, moves: LegalMoves, old: str, new: str, **changes: Any) -> bool:
    """Move only if the row is still in `old`. False: someone moved it first."""
    require_legal(moves, old, new)
    return row._default_manager.filter(pk=pk, state=old).update(state=new, **changes) == 1
