"""How far a run is, and when it will be done."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

ETA_FROM_SHARE = 0.02
"""Before this share is done, an estimate would jump about."""


@dataclass(frozen=True, slots=True)
class Progress:
    """share_ratio: how much of the whole run is done. eta_s: seconds left, None while unknown. step: 1..of."""

    stage: str
    step: int
    of: int
    share_ratio: float
    loss: float | None = None
    validation_loss: float | None = None
    eta_s: float | None = None


class Report(Protocol):
    def __call__(self, progress: Progress) -> None:
        """Hear one step. Called often: keep it cheap. Raises Cancelled to end the run."""
        ...


class Pace:
    """Turns steps of stages into progress of the whole."""

    def __init__(
        self, stage_costs: Mapping[str, float], report: Report, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """stage_costs: the stages in order with their usual share of the time, in any unit."""
        self._costs = stage_costs
        self._report = report
        self._clock = clock
        self._started_at = clock()
        self._stage = ""
        self._of = 1

    def begin(self, stage: str, *, of: int) -> None:
        """Enter a stage of `of` steps."""
        if stage not in self._costs:
            raise RuntimeError(f"stage {stage} has no cost")
        self._stage, self._of = stage, max(1, of)
        self.step(0)

    def step(self, step: int, *, loss: float | None = None, validation_loss: float | None = None) -> None:
        """Say that `step` of the stage's steps are done. Raises Cancelled."""
        share = self._share(step)
        self._report(
            Progress(
                stage=self._stage,
                step=step,
                of=self._of,
                share_ratio=share,
                loss=loss,
                validation_loss=validation_loss,
                eta_s=self._eta_s(share),
            )
        )

    def _share(self, step: int) -> float:
        names = list(self._costs)
        before = sum(self._costs[name] for name in names[: names.index(self._stage)])
        here = self._costs[self._stage] * min(1.0, step / self._of)
        return (before + here) / sum(self._costs.values())

    def _eta_s(self, share: float) -> float | None:
        if share < ETA_FROM_SHARE:
            return None
        return (self._clock() - self._started_at) * (1 - share) / share
