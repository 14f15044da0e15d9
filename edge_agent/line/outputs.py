"""Where verdicts go."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from edge_agent.wire.words import CannotJudge, Verdict

logger = logging.getLogger(__name__)


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What the line is told of one item. `seq` is None when the record was not durable in time."""

    item: str
    verdict: Verdict
    label: str
    cannot_judge: CannotJudge | None
    seq: int | None
    total_ms: float
    line: str = ""
    at_ms: int = 0
    score_ratio: float | None = None
    told_ms: float = 0.0
    """From the trigger until now, the disk included; `total_ms` ends with the judgement, as in the record."""

    @property
    def is_recorded(self) -> bool:
        return self.seq is not None


class Output(Protocol):
    def tell(self, told: Told) -> None:
        """Hand one verdict to the line. Must not block longer than a millisecond or so."""
        ...


class SilentOutput:
    def tell(self, told: Told) -> None:
        del told


class LogOutput:
    """For a desk without a line: what was told, at debug level, because it is two lines a second for ever."""

    def tell(self, told: Told) -> None:
        logger.debug("told item=%s verdict=%s seq=%s total_ms=%.1f", told.item, told.verdict, told.seq, told.total_ms)


class LinesOutput:
    """One JSON line per verdict, each in a single write, so that a reader never sees a mixed line."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def tell(self, told: Told) -> None:
        os.write(self._descriptor, msgspec.json.encode(told) + b"\n")


class SeveralOutputs:
    """All of them hear each verdict, in this order; one that fails costs its own telling and nobody else's."""

    def __init__(self, outputs: Sequence[Output]) -> None:
        self._outputs = tuple(outputs)

    def tell(self, told: Told) -> None:
        for output in self._outputs:
            try:
                output.tell(told)
            except OSError as exc:
                logger.error("not_told output=%s error=%s", type(output).__name__, exc)  # noqa: TRY400  one line
