"""A package is opened without trusting it."""

import io
import random
import zipfile

import msgspec
import pytest

from edge_agent.update.manifest import PackageRefused, incompatibility, open_package
from edge_agent.update.versions import VersionDamaged, Versions
from edge_agent.wire.manifest import MANIFEST_NAME, Compatibility
from edge_agent.wire.messages import Hardware
from tests.kit.models import tiny_package, write_zip


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    return tiny_package(tmp_path_factory.mktemp("package"))


def files_of(package):
    with zipfile.ZipFile(package.path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def refusal_code(path):
    with path.open("rb") as file, pytest.raises(PackageRefused) as caught:
        open_package(file)
    return caught.value.code


def rewritten(tmp_path, package, *, changed=None, manifest=None, **options):
    files = files_of(package) | (changed or {})
    if manifest:
        files[MANIFEST_NAME] = msgspec.json.encode(msgspec.structs.replace(package.manifest, **manifest))
    write_zip(tmp_path / "changed.zip", files, **options)
    return tmp_path / "changed.zip"


def test_a_good_package_is_opened_and_unpacked_as_it_is(package, tmp_path):
    versions = Versions(tmp_path / "models")
    with package.path.open("rb") as file:
        version = versions.install(open_package(file), package.digest)
    assert version.manifest == package.manifest
    assert versions.load(package.digest) == version
    assert {path.name for path in (tmp_path / "models" / package.digest).iterdir()} == set(files_of(package))


def test_a_file_that_is_not_listed_is_refused(package, tmp_path):
    assert refusal_code(rewritten(tmp_path, package, changed={"extra.sh": b"x"})) == "package_files"


def test_a_listed_file_that_is_missing_is_refused(package, tmp_path):
    files = files_of(package)
    del files["golden.npz"]
    write_zip(tmp_path / "short.zip", files)
    assert refusal_code(tmp_path / "short.zip") == "package_files"


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "a/b.onnx", "..", ".hidden", "C:\\x", ""])
def test_a_name_that_leads_elsewhere_is_refused(package, tmp_path, name):
    path = tmp_path / "names.zip"
    write_zip(path, {**files_of(package), name: b"x"})
    assert refusal_code(path) == "package_name"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_files_of_one_name_are_refused(package, tmp_path):
    path = tmp_path / "twice.zip"
    write_zip(path, files_of(package))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("model.onnx", b"another")
    assert refusal_code(path) == "package_name"


def test_a_compressed_file_is_refused_so_nothing_can_unfold(package, tmp_path):
    bomb = rewritten(tmp_path, package, changed={"model.onnx": bytes(10**7)}, compression=zipfile.ZIP_DEFLATED)
    assert bomb.stat().st_size < 100_000
    assert refusal_code(bomb) == "package_compressed"


def test_changed_content_is_refused_by_its_checksum(package, tmp_path):
    model = bytearray(files_of(package)["model.onnx"])
    model[10] ^= 1
    assert refusal_code(rewritten(tmp_path, package, changed={"model.onnx": bytes(model)})) == "package_checksum"


def test_too_many_files_are_refused(package, tmp_path):
    many = {f"file{n}": b"" for n in range(100)}
    assert refusal_code(rewritten(tmp_path, package, changed=many)) == "package_too_large"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "manifest_invalid"),
        (b"{}", "manifest_invalid"),
        (b'{"name": 1}', "manifest_invalid"),
        (b"[" * 100_000, "manifest_invalid"),
        (b"x" * (2 * 1024 * 1024), "manifest_missing"),
    ],
)
def test_a_manifest_that_is_none_is_refused(package, tmp_path, content, code):
    assert refusal_code(rewritten(tmp_path, package, changed={MANIFEST_NAME: content})) == code


def test_an_unknown_format_is_refused(package, tmp_path):
    assert refusal_code(rewritten(tmp_path, package, manifest={"format": 2})) == "manifest_format"


def test_what_is_no_zip_is_refused(tmp_path):
    (tmp_path / "x.zip").write_bytes(b"PK\x03\x04" + b"x" * 500)
    assert refusal_code(tmp_path / "x.zip") == "package_not_zip"


def test_no_flipped_bit_gets_a_different_model_or_golden_frame_through(package):
    rng, content = random.Random(5), package.content
    good = files_of(package)
    for _ in range(300):
        damaged = bytearray(content)
        damaged[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        try:
            opened = open_package(io.BytesIO(bytes(damaged)))
        except PackageRefused:
            continue
        for name in opened.manifest.files:
            assert b"".join(opened.pieces(name)) == good[name]


def test_a_version_that_rots_on_disk_is_noticed(package, tmp_path):
    versions = Versions(tmp_path / "models")
    with package.path.open("rb") as file:
        version = versions.install(open_package(file), package.digest)
    model = tmp_path / "models" / package.digest / "model.onnx"
    model.write_bytes(model.read_bytes()[:-1])
    with pytest.raises(VersionDamaged):
        versions.load(version.digest)
    assert versions.find(version.digest) is None


HARDWARE = Hardware(machine="x86_64", memory_bytes=4 * 10**9, engines=["onnxruntime 1.32.0"])


@pytest.mark.parametrize(
    ("wants", "code"),
    [
        (Compatibility(), ""),
        (Compatibility(machines=["aarch64", "x86_64"], min_memory_bytes=10**9), ""),
        (Compatibility(engine="tensorrt"), "engine_missing"),
        (Compatibility(machines=["aarch64"]), "machine_differs"),
        (Compatibility(min_memory_bytes=8 * 10**9), "memory_too_small"),
        (Compatibility(min_agent_version="0.10.0"), "agent_too_old"),
    ],
)
def test_compatibility_names_what_is_missing(package, wants, code):
    manifest = msgspec.structs.replace(package.manifest, compatibility=wants)
    assert incompatibility(manifest, HARDWARE, agent_version="0.2.1").split(":")[0] == code
