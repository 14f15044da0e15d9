"""The same tiny models for every runtime, so that every runtime stands the same tests."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from edge_agent.contract.engines import runtime_of
from tests.kit.models import constant_model, mean_model

NAMES = ("onnxruntime", "openvino", "litert", "onnxruntime-cuda", "onnxruntime-tensorrt")


@dataclass(frozen=True)
class RuntimeUnderTest:
    """mean: the model that gives its tensor's mean. constant: one that gives the same score for every picture."""

    name: str
    mean: Callable[[], bytes]
    constant: Callable[[float], bytes]


def runtime_under_test(name: str) -> RuntimeUnderTest:
    """Skips, with the reason, where the runtime cannot run."""
    runtime = runtime_of(name)
    if runtime.version is None:
        pytest.skip(runtime.missing_text)
    if name != "litert":
        return RuntimeUnderTest(name, mean_model, constant_model)
    from tests.kit.tflite import mean_tflite

    return RuntimeUnderTest(name, mean_tflite, lambda score: mean_tflite(factor=0.0, offset=score))
