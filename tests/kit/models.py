"""Tiny ONNX models, good and bad, and package zips around them. They load in milliseconds."""

import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edge_agent.contract.engines import OnnxEngine
from edge_agent.contract.parity import GoldenFrames, golden_bytes
from edge_agent.contract.preprocessing import to_tensor
from edge_agent.values import Digest
from edge_agent.wire.manifest import MANIFEST_NAME, Decision, Golden, Manifest, PackageFile, PreprocessingSpec
from edge_agent.wire.messages import ModelOffer

SIDE_PX = 16
SPEC = PreprocessingSpec(height_px=SIDE_PX, width_px=SIDE_PX)


@dataclass(frozen=True)
class TinyPackage:
    path: Path
    digest: Digest
    manifest: Manifest

    @property
    def content(self) -> bytes:
        return self.path.read_bytes()

    def offer(self, *, target_id: int = 1, target_path: str = "", **limits: float) -> ModelOffer:
        return ModelOffer(
            target_id=target_id,
            name=self.manifest.name,
            version=self.manifest.version,
            target_path=target_path or f"models/{self.manifest.name}/{self.manifest.version}.zip",
            digest=self.digest,
            size_bytes=self.path.stat().st_size,
            **limits,
        )


def mean_model() -> bytes:
    """Score = mean of the tensor, so 0 for a black picture and 1 for a white one."""
    return _model([helper.make_node("ReduceMean", ["input"], ["flat"], axes=[1, 2, 3], keepdims=0), _identity()])


def constant_model(score_ratio: float) -> bytes:
    """The same score for every picture."""
    nodes = [
        helper.make_node("ReduceMean", ["input"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "wanted"], ["score"]),
    ]
    return _model(nodes, zero=0.0, wanted=score_ratio)


def sigmoid_model() -> bytes:
    """Score = sigmoid of the one value that it is shown, (1, 1): for a signal's feature."""
    graph = helper.make_graph(
        [helper.make_node("Sigmoid", ["input"], ["score"])],
        "tiny",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 1])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, [1, 1])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10).SerializeToString()


def nan_model() -> bytes:
    return constant_model(float("nan"))


def hanging_model() -> bytes:
    """Loads at once, and then counts to 2^62."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["goes_on"], ["goes_on_out"]),
            helper.make_node("Add", ["sum", "sum"], ["sum_out"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("goes_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("sum", TensorProto.FLOAT, [1]),
        ],
        [
            helper.make_tensor_value_info("goes_on_out", TensorProto.BOOL, []),
            helper.make_tensor_value_info("sum_out", TensorProto.FLOAT, [1]),
        ],
    )
    turns = numpy_helper.from_array(np.array(2**62, np.int64), "turns")
    goes_on = numpy_helper.from_array(np.array(True), "always")
    nodes = [
        helper.make_node("ReduceMean", ["input"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Loop", ["turns", "always", "mean"], ["score"], body=body),
    ]
    return _model(nodes, extra=(turns, goes_on))


def tiny_package(
    folder: Path,
    *,
    score: float | None = None,
    version: str = "1",
    model: bytes | None = None,
    name: str = "tiny",
    threshold_ratio: float = 0.5,
    golden: GoldenFrames | None = None,
    **manifest_fields: object,
) -> TinyPackage:
    """A valid package zip in `folder`. score: what the model says of every picture; None: the picture's mean.

    model: other model bytes, whose golden frames are those of the model that `score` means.
    """
    good = mean_model() if score is None else constant_model(score)
    files = {"model.onnx": model or good, "golden.npz": golden_bytes(golden or golden_frames(good))}
    manifest = Manifest(
        name=name,
        version=version,
        labels=["good", "defect"],
        preprocessing=SPEC,
        decision=Decision(threshold_ratio=threshold_ratio),
        golden=Golden(count=4),
        files={file: package_file(content) for file, content in files.items()},
        **manifest_fields,
    )
    path = folder / f"{name}-{version}.zip"
    write_zip(path, {MANIFEST_NAME: msgspec.json.encode(manifest), **files})
    return TinyPackage(path=path, digest=Digest(hashlib.sha256(path.read_bytes()).hexdigest()), manifest=manifest)


def golden_frames(model: bytes, *, count: int = 4, seed: int = 7) -> GoldenFrames:
    """What the contract computes for random frames of an odd size."""
    frames = np.random.default_rng(seed).integers(0, 256, (count, 24, 31, 3), dtype=np.uint8)
    tensors = np.concatenate([to_tensor(frame, SPEC) for frame in frames])
    engine = OnnxEngine(model, input_name="input", output_name="score")
    scores = np.array([engine.run(tensor[np.newaxis]) for tensor in tensors], np.float32)
    return GoldenFrames(frames=frames, tensors=tensors, scores=scores)


def write_zip(path: Path, files: dict[str, bytes], *, compression: int = zipfile.ZIP_STORED) -> None:
    """The same files give the same bytes: no time stamp of today."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, compress_type=compression)


def package_file(content: bytes) -> PackageFile:
    return PackageFile(sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))


def _identity() -> onnx.NodeProto:
    return helper.make_node("Identity", ["flat"], ["score"])


def _model(nodes: list[onnx.NodeProto], *, extra: tuple[onnx.TensorProto, ...] = (), **constants: float) -> bytes:
    values = [numpy_helper.from_array(np.array([value], np.float32), key) for key, value in constants.items()]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, SIDE_PX, SIDE_PX])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, [1])],
        [*values, *extra],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    onnx.checker.check_model(model)
    return model.SerializeToString()
