"""Which runtime a package asks for, and which this machine has."""

from pathlib import Path

from edge_agent.contract.engines import litert, onnxruntime, openvino
from edge_agent.contract.engines.seam import Engine, EngineUnavailable, Runtime, Wanted
from edge_agent.wire.manifest import Manifest

RUNTIMES: dict[str, Runtime] = {
    runtime.name: runtime
    for runtime in (onnxruntime.CPU, onnxruntime.CUDA, onnxruntime.TENSORRT, openvino.CPU, litert.CPU)
}


def open_engine(
    manifest: Manifest,
    model: Path | bytes,
    *,
    threads: int = 1,
    cache_folder: Path | None = None,
    weights: bytes = b"",
) -> Engine:
    """The engine that the package names, with `model` loaded. Raises EngineError; never another engine instead."""
    wanted = Wanted(
        input_name=manifest.input_name,
        output_name=manifest.output_name,
        threads=threads,
        cache_folder=cache_folder,
        weights=weights,
    )
    return runtime_of(manifest.compatibility.engine).open(model, wanted)


def runtime_of(name: str) -> Runtime:
    """Raises EngineUnavailable for a name that this agent does not know."""
    runtime = RUNTIMES.get(name)
    if runtime is None:
        raise EngineUnavailable(f"This agent knows no engine {name}; it knows {', '.join(RUNTIMES)}.")
    return runtime


def available_engines() -> list[str]:
    """Names and versions of what can run here, e.g. ["onnxruntime 1.32.0"]."""
    versions = {name: runtime.version for name, runtime in RUNTIMES.items()}
    return [f"{name} {version}" for name, version in versions.items() if version is not None]


def missing_engines() -> dict[str, str]:
    """By name, a sentence on how to install what cannot run here."""
    return {name: runtime.missing_text for name, runtime in RUNTIMES.items() if runtime.version is None}
