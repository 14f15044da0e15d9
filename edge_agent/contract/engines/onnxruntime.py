"""ONNX Runtime: on the CPU everywhere, on NVIDIA GPUs where its GPU build is installed."""

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

_Provider = tuple[str, dict[str, str]]
_CPU: _Provider = ("CPUExecutionProvider", {})
# TF32 rounds the inputs of convolutions to 10 bits: faster, but no longer what the training side computed.
_CUDA: _Provider = ("CUDAExecutionProvider", {"use_tf32": "0"})
_TENSORRT_NAME = "TensorrtExecutionProvider"
_INSTALL_GPU = "pip uninstall onnxruntime && pip install onnxruntime-gpu (needs NVIDIA's driver, CUDA and cuDNN)"


class OnnxEngine:
    """ONNX Runtime. Loads on the first of `providers`, or not at all."""

    def __init__(
        self,
        model: Path | bytes,
        *,
        input_name: str,
        output_name: str,
        threads: int = 1,
        providers: tuple[_Provider, ...] = (_CPU,),
    ) -> None:
        """Raises ModelBroken when the model cannot be loaded or lacks a name, EngineUnavailable without provider."""
        self._session: Any = _open_session(model, threads, providers)
        self._input_name = input_name
        self._output_name = output_name
        inputs = [entry.name for entry in self._session.get_inputs()]
        outputs = [entry.name for entry in self._session.get_outputs()]
        require_names(inputs, outputs, input_name=input_name, output_name=output_name)

    def run(self, tensor: Tensor) -> float:
        try:
            (output,) = self._session.run([self._output_name], {self._input_name: tensor})
        except Exception as exc:  # the runtime's errors share no base class
            raise ModelBroken(f"The model failed while running: {exc}") from exc
        return as_probability(output)

    def close(self) -> None:
        # The runtime frees a session with its last reference.
        self._session = None


def _open_session(model: Path | bytes, threads: int, providers: tuple[_Provider, ...]) -> Any:
    runtime = _runtime()
    names = [name for name, _ in providers]
    if names[0] not in runtime.get_available_providers():
        raise EngineUnavailable(f"This build of onnxruntime has no {names[0]}.")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    source = model if isinstance(model, bytes) else str(model)
    try:
        session = runtime.InferenceSession(source, options, providers=list(providers))
    except Exception as exc:  # the runtime's errors share no base class
        raise ModelBroken(f"The model cannot be loaded: {exc}") from exc
    # A runtime whose provider does not start falls back to another one without a word.
    if session.get_providers()[0] != names[0]:
        raise EngineUnavailable(f"Asked for {names[0]}, got {session.get_providers()}.")
    return session


def _runtime() -> Any:
    try:
        import onnxruntime
    except ImportError as exc:
        raise EngineUnavailable(CPU.missing_text) from exc
    return onnxruntime


def _tensorrt(cache_folder: Path | None) -> _Provider:
    """Building an engine for this GPU takes minutes; the cache makes that once per model and machine."""
    if cache_folder is None:
        return _TENSORRT_NAME, {}
    folder = str(cache_folder)
    cached = {
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": folder,
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": folder,
    }
    return _TENSORRT_NAME, cached


def _opened(model: Path | bytes, wanted: Wanted, *providers: _Provider) -> Engine:
    return OnnxEngine(
        model,
        input_name=wanted.input_name,
        output_name=wanted.output_name,
        threads=wanted.threads,
        providers=providers,
    )


def _has(provider: str) -> bool:
    return provider in _runtime().get_available_providers()


CPU = Runtime(
    name="onnxruntime",
    distributions=("onnxruntime", "onnxruntime-gpu"),
    install="pip install onnxruntime",
    open=lambda model, wanted: _opened(model, wanted, _CPU),
)
CUDA = Runtime(
    name="onnxruntime-cuda",
    distributions=("onnxruntime-gpu",),
    install=_INSTALL_GPU,
    open=lambda model, wanted: _opened(model, wanted, _CUDA, _CPU),
    is_usable=lambda: _has(_CUDA[0]),
    is_address_space_bound=False,
)
TENSORRT = Runtime(
    name="onnxruntime-tensorrt",
    distributions=("onnxruntime-gpu",),
    install=f"{_INSTALL_GPU}, and NVIDIA TensorRT",
    open=lambda model, wanted: _opened(model, wanted, _tensorrt(wanted.cache_folder), _CUDA, _CPU),
    is_usable=lambda: _has(_TENSORRT_NAME),
    is_caching=True,
    is_address_space_bound=False,
)
