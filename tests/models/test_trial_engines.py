"""A package is tried on the engine that its devices will use."""

import msgspec
import pytest

from apps.models.outside.trial_child import package_try
from edge_agent.wire.manifest import MANIFEST_NAME, Compatibility, Golden
from tests.kit.models import (
    constant_model,
    golden_bytes,
    golden_frames,
    mean_model,
    package_file,
    tiny_package,
    write_zip,
)
from tests.kit.runtimes import runtime_under_test


def packed(folder, engine, model_file, files):
    """A package of the model that gives its tensor's mean, with other files in place of its ONNX."""
    files = {**files, "golden.npz": golden_bytes(golden_frames(mean_model()))}
    listed = {name: package_file(one) for name, one in files.items()}
    manifest = msgspec.structs.replace(
        tiny_package(folder).manifest,
        compatibility=Compatibility(engine=engine),
        golden=Golden(count=4),
        model_file=model_file,
        files=listed,
    )
    path = folder / "package.zip"
    write_zip(path, {MANIFEST_NAME: msgspec.json.encode(manifest), **files})
    return path


@pytest.mark.parametrize(("engine", "model_file"), [("litert", "model.tflite"), ("openvino", "model.onnx")])
def test_a_package_for_another_engine_is_tried_on_that_engine(tmp_path, engine, model_file):
    model = runtime_under_test(engine).mean()
    report = package_try(packed(tmp_path, engine, model_file, {model_file: model}))
    assert (report.code, report.text[:7]) == ("", "4 golde")


@pytest.mark.parametrize("engine", ["litert", "openvino"])
def test_a_model_that_computes_something_else_is_refused_on_every_engine(tmp_path, engine):
    model = runtime_under_test(engine).constant(0.9)
    assert package_try(packed(tmp_path, engine, "model", {"model": model})).code == "golden_mismatch"


def test_openvinos_own_format_is_tried_with_its_second_file(tmp_path):
    runtime_under_test("openvino")
    import openvino

    openvino.save_model(openvino.Core().read_model(mean_model()), tmp_path / "model.xml", compress_to_fp16=False)
    files = {name: (tmp_path / name).read_bytes() for name in ("model.xml", "model.bin")}
    assert package_try(packed(tmp_path, "openvino", "model.xml", files)).code == ""


def test_an_engine_that_the_server_lacks_is_named(tmp_path):
    report = package_try(packed(tmp_path, "no-such-engine", "model.onnx", {"model.onnx": mean_model()}))
    assert report.code == "engine_missing"
    assert "no-such-engine" in report.text


def test_gpu_packages_are_tried_on_the_servers_cpu(tmp_path):
    right = packed(tmp_path, "onnxruntime-tensorrt", "model.onnx", {"model.onnx": mean_model()})
    assert package_try(right).code == ""
    wrong = packed(tmp_path, "onnxruntime-tensorrt", "model.onnx", {"model.onnx": constant_model(0.9)})
    assert package_try(wrong).code == "golden_mismatch"


@pytest.mark.parametrize(("engine", "code"), [("onnxruntime", "not_onnx"), ("openvino", "not_onnx")])
def test_a_graph_is_looked_at_whichever_engine_would_read_it(tmp_path, engine, code):
    assert package_try(packed(tmp_path, engine, "model.xml", {"model.xml": b"no graph"})).code == code


def test_a_broken_model_is_refused_by_its_own_engine(tmp_path):
    runtime_under_test("litert")
    assert package_try(packed(tmp_path, "litert", "model.tflite", {"model.tflite": b"no model"})).code == "model_broken"
