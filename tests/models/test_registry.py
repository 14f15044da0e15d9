import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from apps.accounts.rights import Role
from apps.core.errors import Conflict, Wrong
from apps.core.models import AuditRow
from apps.models import services
from apps.models.models import InspectionModel, ModelVersion
from apps.models.outside.trial_child import package_try
from apps.models.states import VersionState
from apps.models.training.packaging import zip_of
from tests.factories.models import brightness_model, golden_frames, package, package_files, person, validated

pytestmark = pytest.mark.django_db


def register(file, **others):
    return services.version_register(package=file, run=None, by=None, **others)


def refusal_of(file) -> str:
    with pytest.raises(Wrong) as refusal:
        register(file)
    assert not ModelVersion.objects.exists()
    assert AuditRow.objects.get(verb="package_refuse").detail["code"] == refusal.value.code
    return refusal.value.code


def test_a_package_that_works_is_validated(tmp_path):
    user = person(Role.ADMIN)
    version = validated(tmp_path, by=user, name="cells", version="4")
    assert (version.model.name, version.number, version.state) == ("cells", 4, VersionState.VALIDATED)
    assert version.created_by == user
    assert AuditRow.objects.filter(verb="version_register", object=f"version:{version.pk}").exists()


def test_a_tampered_package_is_refused(tmp_path):
    files = package_files()
    files["model.onnx"] = brightness_model(gain=-2.0).SerializeToString()
    file = tmp_path / "package.zip"
    file.write_bytes(zip_of(files))
    assert refusal_of(file) == "package_checksum"


@pytest.mark.parametrize("content", [b"", b"no zip at all", b"PK\x03\x04" + b"\0" * 60])
def test_what_is_no_zip_is_refused(tmp_path, content):
    file = tmp_path / "package.zip"
    file.write_bytes(content)
    assert refusal_of(file) == "package_not_zip"


@pytest.mark.parametrize("content", [b"x", b"\x80\x02pickled", b"\x08\x0a", b"#!/bin/sh\n" * 50])
def test_a_model_that_is_not_onnx_is_refused(tmp_path, content):
    assert refusal_of(package(tmp_path, model=content)) == "not_onnx"


def test_a_model_with_operators_of_its_own_is_refused(tmp_path):
    model = brightness_model()
    model.graph.node[1].domain = "com.example"
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    assert refusal_of(package(tmp_path, model=model.SerializeToString())) == "custom_operators"


def test_a_model_with_weights_elsewhere_is_refused(tmp_path):
    model = brightness_model()
    tensor = model.graph.initializer[1]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../etc/passwd"
    assert refusal_of(package(tmp_path, model=model.SerializeToString())) == "external_data"


def test_a_model_with_too_many_nodes_is_refused(tmp_path):
    model = brightness_model()
    for n in range(20_001):
        model.graph.node.append(helper.make_node("Identity", ["score"], [f"copy{n}"]))
    assert refusal_of(package(tmp_path, model=model.SerializeToString())) == "model_too_large"


def test_a_model_that_computes_something_else_is_refused(tmp_path):
    other = brightness_model(gain=-5.0).SerializeToString()
    golden = golden_frames(brightness_model(gain=2.0).SerializeToString())
    assert refusal_of(package(tmp_path, model=other, golden=golden)) == "golden_mismatch"


def test_a_model_that_gives_no_probability_is_refused(tmp_path):
    model = brightness_model()
    model.graph.node[2].CopyFrom(helper.make_node("Mul", ["logit", "hundred"], ["score"]))
    model.graph.initializer.append(numpy_helper.from_array(np.asarray(100, np.float32), "hundred"))
    assert refusal_of(package(tmp_path, model=model.SerializeToString())) == "model_broken"


def test_golden_frames_that_cannot_be_read_are_refused(tmp_path):
    assert refusal_of(package(tmp_path, golden=b"no frames")) == "golden_broken"


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("name", "Bad Name", "bad_model_name"),
        ("version", "1.0", "bad_version_number"),
        ("version", "0", "bad_version_number"),
    ],
)
def test_a_name_or_number_that_no_path_should_hold_is_refused(tmp_path, field, value, code):
    assert refusal_of(package(tmp_path, **{field: value})) == code


def test_a_number_is_given_once(tmp_path):
    validated(tmp_path, gain=2.0)
    with pytest.raises(Conflict) as refusal:
        validated(tmp_path, gain=3.0)
    assert refusal.value.code == "version_taken"
    with pytest.raises(Conflict) as refusal:
        validated(tmp_path, gain=2.0)
    assert refusal.value.code == "already_registered"
    assert ModelVersion.objects.count() == 1


def test_a_child_that_hangs_is_ended(tmp_path):
    assert package_try(package(tmp_path), timeout_s=0.05).code == "model_hangs"


def test_a_model_needs_a_plain_name():
    with pytest.raises(Wrong):
        services.model_create(name="../up")
    services.model_create(name="cells")
    with pytest.raises(Conflict):
        services.model_create(name="cells")
    assert InspectionModel.objects.count() == 1
