"""From a trained module to one ONNX graph that computes the same."""

import logging
import warnings

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import nn

from apps.models.training.errors import ExportBroken
from edge_agent.contract.engines import OnnxEngine
from edge_agent.wire.manifest import PreprocessingSpec

OPSET = 18
INPUT_NAME, OUTPUT_NAME = "input", "score"
PARITY_TOLERANCE = 1e-4

# A line per optimizer pass, and one per operator of libraries that are not installed, would bury the run's own log.
for _name, _level in (("onnx_ir", logging.WARNING), ("onnxscript", logging.WARNING), ("torch.onnx", logging.ERROR)):
    logging.getLogger(_name).setLevel(_level)


def to_onnx(model: nn.Module, spec: PreprocessingSpec) -> bytes:
    """One self-contained graph: `input` float32 (1, C, height, width) to `score` (1,). Same model, same bytes."""
    channels = 1 if spec.colour_order == "grey" else 3
    example = torch.zeros(1, channels, spec.height_px, spec.width_px)
    with warnings.catch_warnings():
        # The exporter uses parts of torch that torch itself has deprecated.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            model,
            (example,),
            dynamo=True,
            opset_version=OPSET,
            external_data=False,
            input_names=[INPUT_NAME],
            output_names=[OUTPUT_NAME],
            verbose=False,
        )
    graph: bytes = _without_traces(program.model_proto).SerializeToString(deterministic=True)
    return graph


def require_parity(model: nn.Module, engine: OnnxEngine, tensors: NDArray[np.float32]) -> float:
    """The largest difference between both sides' scores. tensors: (N, C, H, W). Raises ExportBroken."""
    with torch.inference_mode():
        expected = [float(model(torch.from_numpy(one[np.newaxis]))) for one in tensors]
    difference = max(abs(engine.run(one[np.newaxis]) - score) for one, score in zip(tensors, expected, strict=True))
    if not difference <= PARITY_TOLERANCE:
        raise ExportBroken(f"The exported model's scores differ by up to {difference:.2g} from the trained one's.")
    return difference


def _without_traces(model: onnx.ModelProto) -> onnx.ModelProto:
    """Stack traces name files of the machine that trained, and would make equal models differ."""
    for entry in (model, model.graph, *model.graph.node, *model.graph.value_info, *model.graph.input):
        entry.ClearField("doc_string")
        entry.ClearField("metadata_props")
    for entry in (*model.graph.output, *model.graph.initializer):
        entry.ClearField("doc_string")
        entry.ClearField("metadata_props")
    return model
