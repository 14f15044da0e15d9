"""Tiny LiteRT models, built from the format's own schema: no binary is kept in the repository."""

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tests.kit.models import SIDE_PX

_FILE_MARK = b"TFL3"
_FIRST_SCHEMA = 3
_AXES, _FACTOR, _OFFSET = 1, 2, 3


def mean_tflite(*, factor: float = 1.0, offset: float = 0.0) -> bytes:
    """Score = mean of the (1, 3, SIDE_PX, SIDE_PX) tensor * factor + offset. The same bytes in each run."""
    model = schema.ModelT()
    model.version = _FIRST_SCHEMA
    model.description = "tiny"
    constants = (np.array([1, 2, 3], np.int32), np.array([factor], np.float32), np.array([offset], np.float32))
    model.buffers = [_buffer(b""), *(_buffer(constant.tobytes()) for constant in constants)]
    kinds = (schema.BuiltinOperator.MEAN, schema.BuiltinOperator.MUL, schema.BuiltinOperator.ADD)
    model.operatorCodes = [_code(kind) for kind in kinds]
    model.subgraphs = [_graph()]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), _FILE_MARK)
    return bytes(builder.Output())


def _graph() -> schema.SubGraphT:
    graph = schema.SubGraphT()
    graph.name = "main"
    single, integer = schema.TensorType.FLOAT32, schema.TensorType.INT32
    graph.tensors = [
        _tensor("input", [1, 3, SIDE_PX, SIDE_PX], single),
        _tensor("axes", [3], integer, buffer=_AXES),
        _tensor("factor", [1], single, buffer=_FACTOR),
        _tensor("offset", [1], single, buffer=_OFFSET),
        _tensor("mean", [1], single),
        _tensor("product", [1], single),
        _tensor("score", [1], single),
    ]
    graph.inputs, graph.outputs = [0], [6]
    graph.operators = [_mean(), _arithmetic(1, 4, 2, 5), _arithmetic(2, 5, 3, 6)]
    return graph


def _mean() -> schema.OperatorT:
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = 0, [0, 1], [4]
    operator.builtinOptionsType = schema.BuiltinOptions.ReducerOptions
    operator.builtinOptions = schema.ReducerOptionsT()
    return operator


def _arithmetic(code: int, left: int, right: int, result: int) -> schema.OperatorT:
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = code, [left, right], [result]
    is_product = code == 1
    kinds = schema.BuiltinOptions
    operator.builtinOptionsType = kinds.MulOptions if is_product else kinds.AddOptions
    operator.builtinOptions = schema.MulOptionsT() if is_product else schema.AddOptionsT()
    return operator


def _code(kind: int) -> schema.OperatorCodeT:
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = kind
    code.version = 1
    return code


def _tensor(name: str, shape: list[int], kind: int, *, buffer: int = 0) -> schema.TensorT:
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.type, tensor.buffer = name, shape, kind, buffer
    return tensor


def _buffer(content: bytes) -> schema.BufferT:
    buffer = schema.BufferT()
    if content:
        buffer.data = list(content)
    return buffer
