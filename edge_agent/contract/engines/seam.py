"""What every engine promises, whatever runs inside it."""

import importlib.metadata
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from edge_agent.values import Tensor

_ROUNDING = 1e-4
"""How far outside 0..1 a probability may lie through rounding, before the model counts as broken."""


class EngineError(Exception):
    """The model gave no score."""


class EngineUnavailable(EngineError):
    """The runtime is not installed here, or did not get the hardware that it was asked for."""


class ModelBroken(EngineError):
    """The runtime refused this model, or what it returned is no probability. Trying again will not help."""


class Engine(Protocol):
    """One loaded model. Not for two threads at once."""

    def run(self, tensor: Tensor) -> float:
        """The probability of a defect, 0..1. Raises EngineError; never returns NaN."""
        ...

    def close(self) -> None:
        """Release the model's memory. `run` must not be called afterwards."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """How a model is to be opened.

    threads: inside the runtime; one keeps the line's timing steady.
    cache_folder: where a runtime that compiles for this machine may keep the result; None: it compiles at each start.
    weights: of a model given as bytes whose format keeps them in a second file; empty: it has none.
    """

    input_name: str
    output_name: str
    threads: int = 1
    cache_folder: Path | None = None
    weights: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """One kind of engine, under the name that a package's `compatibility.engine` asks for.

    distributions: the installed packages that provide it; any one of them is enough.
    """

    name: str
    distributions: tuple[str, ...]
    install: str
    open: Callable[[Path | bytes, Wanted], Engine]
    is_usable: Callable[[], bool] = lambda: True
    """Asked only when a distribution is installed; a build may lack what this kind needs."""
    is_caching: bool = False
    """It compiles for this machine, and can keep the result."""
    is_address_space_bound: bool = True
    """False where the driver reserves address space far beyond the memory that it uses."""

    @property
    def version(self) -> str | None:
        """Of the installed runtime; None when it cannot run here."""
        for distribution in self.distributions:
            try:
                version = importlib.metadata.version(distribution)
            except importlib.metadata.PackageNotFoundError:
                continue
            return version if self.is_usable() else None
        return None

    @property
    def missing_text(self) -> str:
        return f"The engine {self.name} is not available here. To install it: {self.install}"


def as_probability(output: Any) -> float:
    """The one value that a model returned. Raises ModelBroken when it is no probability."""
    values = np.asarray(output).reshape(-1)
    if values.size != 1:
        raise ModelBroken(f"The model returned {values.size} values for one item; one probability was expected.")
    score_ratio = float(values[0])
    if not math.isfinite(score_ratio) or not -_ROUNDING <= score_ratio <= 1 + _ROUNDING:
        raise ModelBroken(f"The model returned {score_ratio}, which is no probability.")
    return min(1.0, max(0.0, score_ratio))


def require_names(found_inputs: list[str], found_outputs: list[str], *, input_name: str, output_name: str) -> None:
    """Raises ModelBroken unless the model has exactly this input, and this output among others."""
    if found_inputs != [input_name]:
        raise ModelBroken(f"The model's inputs are {found_inputs}, not [{input_name!r}].")
    if output_name not in found_outputs:
        raise ModelBroken(f"The model's outputs are {found_outputs}; {output_name!r} is missing.")
