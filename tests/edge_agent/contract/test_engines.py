"""An engine gives a probability or an error of its family, never NaN."""

import numpy as np
import pytest

from edge_agent.contract.engines import ModelBroken, OnnxEngine, engines_available
from tests.kit.models import SIDE_PX, constant_model, mean_model, nan_model

WHITE = np.ones((1, 3, SIDE_PX, SIDE_PX), np.float32)


def engine(model, **names):
    return OnnxEngine(model, **{"input_name": "input", "output_name": "score", **names})


def test_it_returns_the_models_probability():
    assert engine(mean_model()).run(WHITE * 0.25) == pytest.approx(0.25)


def test_rounding_beyond_one_is_cut_off():
    assert engine(mean_model()).run(WHITE * 1.00001) == 1.0


@pytest.mark.parametrize("model", [nan_model(), constant_model(1.5), constant_model(-3.0)])
def test_what_is_no_probability_means_a_broken_model(model):
    with pytest.raises(ModelBroken, match="no probability"):
        engine(model).run(WHITE)


def test_a_tensor_of_another_shape_is_an_engine_error():
    with pytest.raises(ModelBroken):
        engine(mean_model()).run(WHITE[:, :1])


@pytest.mark.parametrize("model", [b"", b"not a model", mean_model()[:40]])
def test_what_is_no_onnx_model_cannot_be_loaded(model):
    with pytest.raises(ModelBroken):
        engine(model)


@pytest.mark.parametrize("names", [{"input_name": "image"}, {"output_name": "probability"}])
def test_other_names_than_the_manifests_are_refused_at_loading(names):
    with pytest.raises(ModelBroken):
        engine(mean_model(), **names)


def test_the_installed_runtimes_are_named_with_versions():
    assert engines_available()[0].startswith("onnxruntime 1.")
