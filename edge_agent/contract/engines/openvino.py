"""OpenVINO on Intel CPUs. Reads its own format (`model.xml` with `model.bin` beside it) and ONNX."""

from pathlib import Path
from typing import Any

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

_DEVICE = "CPU"
# Without the precision hint, CPUs that can do bfloat16 compute in it: other scores on other machines.
_STEADY = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}


class OpenVinoEngine:
    """OpenVINO on the CPU."""

    def __init__(
        self, model: Path | bytes, *, input_name: str, output_name: str, threads: int = 1, weights: bytes = b""
    ) -> None:
        """Raises ModelBroken when the model cannot be loaded or lacks a name, EngineUnavailable without runtime."""
        compiled = _compiled(model, weights, threads)
        inputs = [port.get_any_name() for port in compiled.inputs]
        outputs = [name for port in compiled.outputs for name in port.get_names()]
        require_names(inputs, outputs, input_name=input_name, output_name=output_name)
        self._request: Any = compiled.create_infer_request()
        self._input_name = input_name
        self._output_name = output_name

    def run(self, tensor: Tensor) -> float:
        try:
            output = self._request.infer({self._input_name: tensor})[self._output_name]
        except Exception as exc:  # the runtime's errors share no base class
            raise ModelBroken(f"The model failed while running: {exc}") from exc
        return as_probability(output)

    def close(self) -> None:
        # The runtime frees a compiled model with its last request.
        self._request = None


def _compiled(model: Path | bytes, weights: bytes, threads: int) -> Any:
    try:
        import openvino
    except ImportError as exc:
        raise EngineUnavailable(CPU.missing_text) from exc
    core = openvino.Core()
    try:
        read = core.read_model(model, weights) if isinstance(model, bytes) else core.read_model(str(model))
        compiled = core.compile_model(read, _DEVICE, {**_STEADY, "INFERENCE_NUM_THREADS": threads})
    except Exception as exc:  # the runtime's errors share no base class
        raise ModelBroken(f"The model cannot be loaded: {exc}") from exc
    devices = list(compiled.get_property("EXECUTION_DEVICES"))
    if devices != [_DEVICE]:
        raise EngineUnavailable(f"Asked for {_DEVICE}, got {devices}.")
    return compiled


def _opened(model: Path | bytes, wanted: Wanted) -> Engine:
    return OpenVinoEngine(
        model,
        input_name=wanted.input_name,
        output_name=wanted.output_name,
        threads=wanted.threads,
        weights=wanted.weights,
    )


CPU = Runtime(
    name="openvino",
    distributions=("openvino",),
    install="pip install 'hybridai-edge-agent[openvino]'",
    open=_opened,
)
