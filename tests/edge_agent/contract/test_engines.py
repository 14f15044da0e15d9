"""Every engine gives a probability or an error of its family, never NaN; and all of them give the same one."""

import dataclasses

import msgspec
import numpy as np
import pytest

from edge_agent.contract.engines import (
    EngineUnavailable,
    ModelBroken,
    OnnxEngine,
    available_engines,
    missing_engines,
    open_engine,
    runtime_of,
)
from edge_agent.contract.parity import Stage, check_parity, package_steps
from edge_agent.wire.manifest import Compatibility
from tests.kit.models import SIDE_PX, golden_frames, mean_model, tiny_package
from tests.kit.runtimes import NAMES, runtime_under_test

WHITE = np.ones((1, 3, SIDE_PX, SIDE_PX), np.float32)


@pytest.fixture(params=NAMES)
def runtime(request):
    return runtime_under_test(request.param)


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    return tiny_package(tmp_path_factory.mktemp("package"))


@pytest.fixture
def manifest(runtime, package):
    return msgspec.structs.replace(package.manifest, compatibility=Compatibility(engine=runtime.name))


def test_it_returns_the_models_probability(runtime, manifest):
    assert open_engine(manifest, runtime.mean()).run(WHITE * 0.25) == pytest.approx(0.25)


def test_it_reads_the_model_from_a_file_too(runtime, manifest, tmp_path):
    file = tmp_path / "model"
    file.write_bytes(runtime.mean())
    assert open_engine(manifest, file).run(WHITE * 0.5) == pytest.approx(0.5)


def test_the_golden_frames_agree_on_every_engine(runtime, manifest):
    golden = golden_frames(mean_model())
    report = check_parity(
        golden, manifest=manifest, steps=package_steps(manifest, open_engine(manifest, runtime.mean()))
    )
    assert (report.diverged, report.frame_count) == (None, 4)
    assert report.score_max_difference < 1e-5


def test_another_model_diverges_at_its_scores_on_every_engine(runtime, manifest):
    engine = open_engine(manifest, runtime.constant(0.9))
    report = check_parity(golden_frames(mean_model()), manifest=manifest, steps=package_steps(manifest, engine))
    assert report.diverged is Stage.SCORE


def test_rounding_beyond_one_is_cut_off(runtime, manifest):
    assert open_engine(manifest, runtime.mean()).run(WHITE * 1.00001) == 1.0


@pytest.mark.parametrize("score", [float("nan"), 1.5, -3.0])
def test_what_is_no_probability_means_a_broken_model(runtime, manifest, score):
    with pytest.raises(ModelBroken, match="no probability"):
        open_engine(manifest, runtime.constant(score)).run(WHITE)


def test_a_tensor_of_another_shape_is_an_engine_error(runtime, manifest):
    with pytest.raises(ModelBroken):
        open_engine(manifest, runtime.mean()).run(WHITE[:, :1])


def test_it_still_judges_after_a_tensor_that_it_refused(runtime, manifest):
    engine = open_engine(manifest, runtime.mean())
    with pytest.raises(ModelBroken):
        engine.run(WHITE[:, :1])
    assert engine.run(WHITE * 0.75) == pytest.approx(0.75)


@pytest.mark.parametrize("kept_bytes", [0, 40])
def test_a_model_cut_short_cannot_be_loaded(runtime, manifest, kept_bytes):
    with pytest.raises(ModelBroken):
        open_engine(manifest, runtime.mean()[:kept_bytes])


def test_what_is_no_model_cannot_be_loaded(runtime, manifest):
    with pytest.raises(ModelBroken):
        open_engine(manifest, b"not a model")


@pytest.mark.parametrize("names", [{"input_name": "image"}, {"output_name": "probability"}])
def test_other_names_than_the_manifests_are_refused_at_loading(runtime, manifest, names):
    with pytest.raises(ModelBroken, match=next(iter(names.values()))):
        open_engine(msgspec.structs.replace(manifest, **names), runtime.mean())


def test_an_installed_engine_is_named_with_its_version(runtime):
    named = [text for text in available_engines() if text.split(" ")[0] == runtime.name]
    assert named == [f"{runtime.name} {runtime_of(runtime.name).version}"]
    assert runtime.name not in missing_engines()


def test_openvino_reads_its_own_format_from_two_files(package, tmp_path):
    runtime_under_test("openvino")
    import openvino

    openvino.save_model(openvino.Core().read_model(mean_model()), tmp_path / "model.xml", compress_to_fp16=False)
    manifest = msgspec.structs.replace(package.manifest, compatibility=Compatibility(engine="openvino"))
    assert open_engine(manifest, tmp_path / "model.xml").run(WHITE * 0.25) == pytest.approx(0.25)


def test_the_tiny_litert_model_is_the_same_in_each_run():
    runtime_under_test("litert")
    from tests.kit.tflite import mean_tflite

    assert mean_tflite() == mean_tflite()
    assert mean_tflite()[4:8] == b"TFL3"


def test_an_engine_that_is_not_installed_says_how_to_install_it(package):
    absent = dataclasses.replace(runtime_of("openvino"), name="absent", distributions=("no-such-distribution",))
    assert absent.version is None
    assert absent.missing_text.startswith("The engine absent is not available here. To install it: pip install")


def test_an_unknown_engine_is_unavailable_and_no_other_takes_its_place(package):
    manifest = msgspec.structs.replace(package.manifest, compatibility=Compatibility(engine="abacus"))
    with pytest.raises(EngineUnavailable, match="knows no engine abacus"):
        open_engine(manifest, mean_model())


def test_a_provider_that_this_build_lacks_is_unavailable_and_no_other_takes_its_place():
    with pytest.raises(EngineUnavailable, match="NoSuchProvider"):
        OnnxEngine(mean_model(), input_name="input", output_name="score", providers=(("NoSuchProvider", {}),))


def test_every_known_engine_is_either_available_or_missing_with_a_sentence():
    available = {text.split(" ")[0] for text in available_engines()}
    assert available | set(missing_engines()) == set(NAMES)
    assert not available & set(missing_engines())
    assert all("pip install" in text for text in missing_engines().values())
