"""What runs a model. Runtimes are imported inside functions: the contract costs nothing where none is installed."""

import importlib.metadata
import importlib.util
import math
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from edge_agent.values import Tensor

_CPU_PROVIDER = "CPUExecutionProvider"
_ROUNDING = 1e-4
"""How far outside 0..1 a probability may lie through rounding, before the model counts as broken."""


class EngineError(Exception):
    """The model gave no score."""


class EngineUnavailable(EngineError):
    """The runtime is not installed here, or did not get the hardware that it was asked for."""


class ModelBroken(EngineError):
    """The runtime refused this model, or what it returned is no probability. Trying again will not help."""


class Engine(Protocol):
    def run(self, tensor: Tensor) -> float:
        """The probability of a defect, 0..1. Raises EngineError; never returns NaN."""
        ...

    def close(self) -> None:
        """Release the model's memory. `run` must not be called afterwards."""
        ...


class OnnxEngine:
    """ONNX Runtime on the CPU. Not for two threads at once; one thread inside, so that the line's timing is steady."""

    def __init__(self, model: Path | bytes, *, input_name: str, output_name: str, threads: int = 1) -> None:
        """Load `model`. Raises ModelBroken when it cannot be loaded or lacks the named input or output."""
        self._session: Any = _open_session(model, threads)
        self._input_name = input_name
        self._output_name = output_name
        self._require_names()

    def run(self, tensor: Tensor) -> float:
        try:
            (output,) = self._session.run([self._output_name], {self._input_name: tensor})
        except Exception as exc:  # the runtime's errors share no base class
            raise ModelBroken(f"The model failed while running: {exc}") from exc
        return _as_probability(output)

    def close(self) -> None:
        # The runtime frees a session with its last reference.
        self._session = None

    def _require_names(self) -> None:
        inputs = [entry.name for entry in self._session.get_inputs()]
        outputs = [entry.name for entry in self._session.get_outputs()]
        if inputs != [self._input_name]:
            raise ModelBroken(f"The model's inputs are {inputs}, not [{self._input_name!r}].")
        if self._output_name not in outputs:
            raise ModelBroken(f"The model's outputs are {outputs}; {self._output_name!r} is missing.")


def engines_available() -> list[str]:
    """Names and versions of the runtimes installed here, e.g. ["onnxruntime 1.32.0"]."""
    if importlib.util.find_spec("onnxruntime") is None:
        return []
    return [f"onnxruntime {importlib.metadata.version('onnxruntime')}"]


def _open_session(model: Path | bytes, threads: int) -> Any:
    try:
        import onnxruntime
    except ImportError as exc:
        raise EngineUnavailable("onnxruntime is not installed.") from exc
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    source = model if isinstance(model, bytes) else str(model)
    try:
        session = onnxruntime.InferenceSession(source, options, providers=[_CPU_PROVIDER])
    except Exception as exc:  # the runtime's errors share no base class
        raise ModelBroken(f"The model cannot be loaded: {exc}") from exc
    # A runtime that misses a provider falls back to another one without a word.
    if session.get_providers() != [_CPU_PROVIDER]:
        raise EngineUnavailable(f"Asked for {_CPU_PROVIDER}, got {session.get_providers()}.")
    return session


def _as_probability(output: Any) -> float:
    values = np.asarray(output).reshape(-1)
    if values.size != 1:
        raise ModelBroken(f"The model returned {values.size} values for one item; one probability was expected.")
    score_ratio = float(values[0])
    if not math.isfinite(score_ratio) or not -_ROUNDING <= score_ratio <= 1 + _ROUNDING:
        raise ModelBroken(f"The model returned {score_ratio}, which is no probability.")
    return min(1.0, max(0.0, score_ratio))
