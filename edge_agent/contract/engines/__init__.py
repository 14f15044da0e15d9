"""What runs a model: one file per runtime behind one seam.

Runtimes are imported inside functions: the contract costs nothing where none is installed.
"""

from edge_agent.contract.engines.choice import available_engines, missing_engines, open_engine, runtime_of
from edge_agent.contract.engines.litert import LiteRtEngine
from edge_agent.contract.engines.onnxruntime import OnnxEngine
from edge_agent.contract.engines.openvino import OpenVinoEngine
from edge_agent.contract.engines.seam import Engine, EngineError, EngineUnavailable, ModelBroken

__all__ = [
    "Engine",
    "EngineError",
    "EngineUnavailable",
    "LiteRtEngine",
    "ModelBroken",
    "OnnxEngine",
    "OpenVinoEngine",
    "available_engines",
    "missing_engines",
    "open_engine",
    "runtime_of",
]
