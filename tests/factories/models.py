"""Small models of our own making, and the people who train and approve them."""

import hashlib
import itertools
from pathlib import Path

import msgspec
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from apps.accounts.models import Membership, User
from apps.accounts.rights import Role
from apps.models import services
from apps.models.models import InspectionModel, ModelVersion, Run
from apps.models.states import RunKind
from apps.models.training.packaging import zip_of
from edge_agent.contract.engines import OnnxEngine
from edge_agent.contract.parity import GoldenFrames, golden_bytes
from edge_agent.contract.preprocessing import decode, to_tensor
from edge_agent.wire.manifest import Decision, Golden, Manifest, PackageFile, PreprocessingSpec
from tests.factories.datasets import frozen, png

SIDE_PX = 32
SPEC = PreprocessingSpec(height_px=SIDE_PX, width_px=SIDE_PX)
_names = itertools.count()


def person(role: Role, name: str | None = None) -> User:
    user = User.objects.create(username=name or f"{role}{next(_names)}")
    Membership.objects.create(user=user, role=role)
    return user


def brightness_model(*, gain: float = 2.0) -> onnx.ModelProto:
    """score = sigmoid(gain * mean(input)); a legal model that trains in no time."""
    nodes = [
        helper.make_node("ReduceMean", ["input", "axes"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "gain"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["score"]),
    ]
    constants = [
        numpy_helper.from_array(np.asarray([1, 2, 3], np.int64), "axes"),
        numpy_helper.from_array(np.asarray(gain, np.float32), "gain"),
    ]
    graph = helper.make_graph(
        nodes,
        "brightness",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, SIDE_PX, SIDE_PX])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, [1])],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def golden_frames(model: bytes, *, count: int = 3) -> bytes:
    frames = [decode(png(n)) for n in range(count)]
    tensors = [to_tensor(frame, SPEC) for frame in frames]
    engine = OnnxEngine(model, input_name="input", output_name="score")
    scores = np.asarray([engine.run(tensor) for tensor in tensors], np.float32)
    return golden_bytes(GoldenFrames(frames=np.stack(frames), tensors=np.concatenate(tensors), scores=scores))


def package_files(
    *, name: str = "parts", version: str = "1", model: bytes | None = None, golden: bytes | None = None, gain=2.0
) -> dict[str, bytes]:
    """The files of a package that holds together; spoil what a test needs spoiled."""
    plain = brightness_model(gain=gain).SerializeToString()
    files = {"model.onnx": model or plain, "golden.npz": golden or golden_frames(plain)}
    manifest = Manifest(
        name=name,
        version=version,
        labels=["good", "defect"],
        preprocessing=SPEC,
        decision=Decision(threshold_ratio=0.5),
        golden=Golden(count=3),
        files={key: PackageFile(sha256=sha256(value), size_bytes=len(value)) for key, value in files.items()},
    )
    return {"manifest.json": msgspec.json.encode(manifest), **files}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def package(folder: Path, **changes: object) -> Path:
    file = folder / "package.zip"
    file.write_bytes(zip_of(package_files(**changes)))
    return file


def validated(folder: Path, *, by: User | None = None, **changes: object) -> ModelVersion:
    return services.version_register(package=package(folder, **changes), run=None, by=by)


def queued_run(*, by: User | None = None, recipe: str = "small_cnn", **parameters: float) -> Run:
    """A run over a small frozen data set; `small_cnn` trains it in about a second."""
    model, _ = InspectionModel.objects.get_or_create(name="parts")
    return services.run_create(
        kind=RunKind.TRAINING,
        model_id=model.pk,
        dataset_version_id=frozen(good=40, defect=40).pk,
        recipe=recipe,
        parameters=parameters,
        seed=1,
        by=by,
    )
