"""The doctor names what is wrong, and changes nothing."""

import pytest

from edge_agent.cloud import CloudProbe, CloudUnreachable
from edge_agent.doctor import diagnose, diagnosis_text
from edge_agent.identity import DeviceFile, pending_keys, save_device
from edge_agent.update.pointer import Pointer, write_pointer
from edge_agent.update.slots import SLOTS_FILE
from edge_agent.wire.manifest import Compatibility
from tests.kit.models import tiny_package
from tests.kit.updating import install, run_for_good


def well(identity):
    return CloudProbe(round_trip_ms=3.0, wall_offset_ms=200)


def off(identity):
    raise CloudUnreachable("no route")


@pytest.fixture
def enrolled(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    keys = pending_keys(folder, enrolled_key=None)
    fields = {"device_id": "d-1", "name": "Press", "site": "Linz", "line": "A", "cloud_url": "http://cloud"}
    save_device(folder, DeviceFile(public_key=keys.public_key, tuf_root=b"", **fields))
    return folder


def diagnosed(folder, probe=well):
    return diagnose(folder, versions_folder=folder / "models", probe=probe)


def test_a_healthy_device_has_no_problems(tmp_path, enrolled):
    package = tiny_package(tmp_path, version="7")
    run_for_good(enrolled, package)
    diagnosis = diagnosed(enrolled)
    assert diagnosis.problems == []
    assert (diagnosis.device, diagnosis.active_version) == ("Press", f"tiny 7 ({package.digest[:12]})")
    assert diagnosis.footprint.data_bytes["models"] > 500
    assert diagnosis.hardware.engines[0] in diagnosis_text(diagnosis)


def test_a_folder_that_is_not_enrolled_is_named(tmp_path):
    assert diagnosed(tmp_path).problems == ["This device is not enrolled."]


def test_a_silent_cloud_is_named(enrolled):
    diagnosis = diagnosed(enrolled, off)
    assert diagnosis.problems == ["The cloud does not answer: no route"]
    assert diagnosis.cloud_round_trip_ms is None


def test_a_wrong_clock_is_named_with_its_size(enrolled):
    diagnosis = diagnosed(enrolled, lambda identity: CloudProbe(round_trip_ms=1.0, wall_offset_ms=-3_600_000))
    assert diagnosis.problems == ["This machine's clock is -3600 s off."]


def test_a_damaged_version_is_named(tmp_path, enrolled):
    package = tiny_package(tmp_path)
    run_for_good(enrolled, package)
    (enrolled / "models" / package.digest / "model.onnx").write_bytes(b"rotten")
    assert "damaged" in diagnosed(enrolled).problems[0]


def test_an_engine_that_the_active_version_lacks_is_named(tmp_path, enrolled):
    version = install(enrolled, tiny_package(tmp_path, compatibility=Compatibility(engine="abacus")))
    (enrolled / SLOTS_FILE).write_text(f'{{"active": "{version.digest}"}}')
    assert "no engine abacus" in diagnosed(enrolled).problems[0]


def test_engines_that_are_not_here_are_listed_with_how_to_install_them(tmp_path):
    diagnosis = diagnosed(tmp_path)
    here = {engine.split(" ")[0] for engine in diagnosis.hardware.engines}
    assert diagnosis.engines_missing
    assert here.isdisjoint(diagnosis.engines_missing)
    assert all("pip install" in sentence for sentence in diagnosis.engines_missing.values())


def test_the_private_key_is_not_in_the_answer(enrolled):
    (key,) = (enrolled / "keys").iterdir()
    secret = key.read_text().splitlines()[1]
    assert secret not in diagnosis_text(diagnosed(enrolled))


def test_an_agent_that_did_not_report_healthy_is_named(enrolled):
    write_pointer(enrolled, Pointer(active="a" * 64, failed="b" * 64))
    diagnosis = diagnosed(enrolled)
    assert diagnosis.installation == "a" * 12
    assert diagnosis.problems == ["The agent's new installation bbbbbbbbbbbb did not report healthy."]
