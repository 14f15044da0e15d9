"""What a model's graph may contain. Called in the child process alone: the parser is native code."""

from collections.abc import Iterator

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx.checker import ValidationError

MODEL_BYTES_MAX = 512 * 1024**2
NODE_COUNT_MAX = 20_000
PLAIN_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})


class GraphRefused(Exception):
    """This is no model that may run. `code` is stable."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


def require_plain_graph(content: bytes) -> None:
    """Return only for a valid ONNX model of bounded size that needs no other file and no other library's operators.

    Raises GraphRefused: not_onnx, model_too_large, external_data, custom_operators.
    """
    if len(content) > MODEL_BYTES_MAX:
        raise GraphRefused("model_too_large", f"The model has {len(content)} bytes; at most {MODEL_BYTES_MAX} may be.")
    model = _parse(content)
    nodes = list(_nodes(model))
    if len(nodes) > NODE_COUNT_MAX:
        raise GraphRefused("model_too_large", f"The model has {len(nodes)} nodes; at most {NODE_COUNT_MAX} may be.")
    _require_plain_operators(model, nodes)
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in _tensors(model, nodes)):
        raise GraphRefused("external_data", "The model keeps weights in another file; they must be inside.")
    try:
        onnx.checker.check_model(model)
    except ValidationError as exc:
        raise GraphRefused("not_onnx", f"The model is not valid ONNX: {str(exc)[:300]}") from exc


def _parse(content: bytes) -> onnx.ModelProto:
    try:
        model = onnx.load_model_from_string(content)
    except DecodeError as exc:
        raise GraphRefused("not_onnx", "The model file is not ONNX.") from exc
    # Many short byte strings parse as a message without any field.
    if not model.ir_version or not model.graph.node:
        raise GraphRefused("not_onnx", "The model file is not ONNX.")
    return model


def _nodes(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    """Every node, also inside branches, loops and the model's own functions; stops soon after the limit."""
    waiting = [*model.graph.node, *(node for function in model.functions for node in function.node)]
    count = 0
    while waiting and count <= NODE_COUNT_MAX:
        node = waiting.pop()
        count += 1
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                waiting += graph.node
        yield node


def _require_plain_operators(model: onnx.ModelProto, nodes: list[onnx.NodeProto]) -> None:
    own = {(function.domain, function.name) for function in model.functions}
    for node in nodes:
        if node.domain not in PLAIN_DOMAINS and (node.domain, node.op_type) not in own:
            raise GraphRefused("custom_operators", f"The operator {node.domain}.{node.op_type} is not part of ONNX.")


def _tensors(model: onnx.ModelProto, nodes: list[onnx.NodeProto]) -> Iterator[onnx.TensorProto]:
    graphs = [model.graph]
    for node in nodes:
        for attribute in node.attribute:
            graphs += [attribute.g, *attribute.graphs]
            yield from (attribute.t, *attribute.tensors)
    for graph in graphs:
        yield from graph.initializer
        yield from (sparse.values for sparse in graph.sparse_initializer)
