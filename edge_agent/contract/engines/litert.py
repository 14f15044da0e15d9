"""LiteRT, which runs `.tflite` models on small CPUs."""

from pathlib import Path
from typing import Any

import numpy as np

from edge_agent.contract.engines.seam import (
    Engine,
    EngineUnavailable,
    ModelBroken,
    Runtime,
    Wanted,
    as_probability,
    require_names,
)
from edge_agent.values import Tensor


class LiteRtEngine:
    """LiteRT on the CPU. Its names are those of the model's tensors, not of its signatures."""

    def __init__(self, model: Path | bytes, *, input_name: str, output_name: str, threads: int = 1) -> None:
        """Raises ModelBroken when the model cannot be loaded or lacks a name, EngineUnavailable without runtime."""
        self._interpreter: Any = _allocated(model, threads)
        inputs = self._interpreter.get_input_details()
        outputs = {entry["name"]: entry for entry in self._interpreter.get_output_details()}
        require_names(
            [entry["name"] for entry in inputs], list(outputs), input_name=input_name, output_name=output_name
        )
        _require_float(inputs[0], outputs[output_name])
        self._input_index: int = inputs[0]["index"]
        self._output_index: int = outputs[output_name]["index"]

    def run(self, tensor: Tensor) -> float:
        try:
            self._interpreter.set_tensor(self._input_index, tensor)
            self._interpreter.invoke()
            output = self._interpreter.get_tensor(self._output_index)
        except Exception as exc:  # the runtime's errors share no base class
            raise ModelBroken(f"The model failed while running: {exc}") from exc
        return as_probability(output)

    def close(self) -> None:
        # The runtime frees an interpreter with its last reference.
        self._interpreter = None


def _allocated(model: Path | bytes, threads: int) -> Any:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as exc:
        raise EngineUnavailable(CPU.missing_text) from exc
    source = {"model_content": model} if isinstance(model, bytes) else {"model_path": str(model)}
    try:
        interpreter = Interpreter(**source, num_threads=threads)
        interpreter.allocate_tensors()
    except Exception as exc:  # the runtime's errors share no base class
        raise ModelBroken(f"The model cannot be loaded: {exc}") from exc
    return interpreter


def _require_float(*ports: dict[str, Any]) -> None:
    for port in ports:
        if port["dtype"] is not np.float32:
            raise ModelBroken(
                f"{port['name']} is {port['dtype'].__name__}; quantize inside the model, not at its ports."
            )


def _opened(model: Path | bytes, wanted: Wanted) -> Engine:
    return LiteRtEngine(model, input_name=wanted.input_name, output_name=wanted.output_name, threads=wanted.threads)


CPU = Runtime(
    name="litert",
    distributions=("ai-edge-litert",),
    install="pip install 'hybridai-edge-agent[litert]'",
    open=_opened,
)
