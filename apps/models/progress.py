"""Training's progress as rows: at most one write per second, each of which renews the lease and hears a cancel."""

import time
from collections.abc import Callable
from datetime import timedelta

from django.utils import timezone

from apps.core.doorbell import ring
from apps.models.events import RunChanged
from apps.models.models import Run
from apps.models.states import RunState
from apps.models.training.errors import Cancelled
from apps.models.training.pace import Progress

LEASE_S = 120.0
"""The longest stage that says nothing (the export, on a busy machine) takes a quarter of this."""
WRITE_EVERY_S = 1.0
CURVE_MAX = 240
"""Points kept; when there are more, every second one goes."""


class RunLost(Exception):
    """The run is another worker's now, or has ended."""


class ProgressWriter:
    """A `Report` of one attempt at one run."""

    def __init__(self, run_id: int, attempt: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._run_id = run_id
        self._attempt = attempt
        self._clock = clock
        self._written_at = float("-inf")
        self._stage = ""
        self._last: Progress | None = None
        self._curve: list[dict[str, float]] = []
        self._losses: list[float] = []
        self._learned_step = 0

    def __call__(self, progress: Progress) -> None:
        """Keep the newest step; write it when a second has passed or a stage begins. Raises Cancelled, RunLost."""
        if progress.loss is not None:
            self._losses.append(progress.loss)
            self._learned_step = progress.step
        self._last = progress
        if progress.stage != self._stage or self._clock() - self._written_at >= WRITE_EVERY_S:
            self.flush()

    def flush(self) -> None:
        """Write now. Raises Cancelled, RunLost."""
        if self._last is None:
            return
        self._stage, self._written_at = self._last.stage, self._clock()
        self._add_point()
        self._write(_as_json(self._last))
        ring(RunChanged(self._run_id))

    def _add_point(self) -> None:
        """The mean loss since the last point: single steps are too noisy to read.

        It stands at the step that gave the newest loss. What is reported now may be a later stage, whose steps count
        from 0 again; steps of the curve only ever increase.
        """
        last_step = self._curve[-1]["step"] if self._curve else -1
        if self._losses and self._learned_step > last_step:
            mean = sum(self._losses) / len(self._losses)
            self._curve.append({"step": self._learned_step, "loss": round(mean, 5)})
        self._losses.clear()
        if len(self._curve) > CURVE_MAX:
            self._curve = self._curve[1::2]

    def _write(self, progress: dict[str, object]) -> None:
        # The attempt is a fence: a worker that was given up while it slept must not write over its successor.
        mine = Run.objects.filter(pk=self._run_id, state=RunState.RUNNING, attempt_count=self._attempt)
        until = timezone.now() + timedelta(seconds=LEASE_S)
        if not mine.update(progress=progress, curve=self._curve, next_look_at=until):
            raise RunLost
        if mine.filter(is_cancel_wanted=True).exists():
            raise Cancelled("Cancelled.")


def _as_json(progress: Progress) -> dict[str, object]:
    return {
        "stage": progress.stage,
        "step": progress.step,
        "of": progress.of,
        "share_ratio": round(progress.share_ratio, 4),
        "loss": None if progress.loss is None else round(progress.loss, 5),
        "eta_s": None if progress.eta_s is None else round(progress.eta_s),
    }
