"""A real TUF repository over HTTP, attacked: every attack is refused with its reason, and nothing is installed."""

import dataclasses
import random
import shutil
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from tuf.api.metadata import Metadata, Root

from edge_agent.cloud import CloudUnreachable
from edge_agent.update.trust import DownloadStopped, TargetDownload, TrustedRepository, UpdateRefused
from edge_agent.wire.messages import ModelOffer
from tests.kit.artifacts import ArtifactRepository

PATH = "models/tiny/1.zip"
CONTENT = random.Random(1).randbytes(300_000)


def now_ms(days=0.0):
    return int((datetime.now(UTC) + timedelta(days=days)).timestamp() * 1000)


@dataclasses.dataclass
class Device:
    repository: TrustedRepository
    downloads: TargetDownload

    def fetch(self, offer):
        return self.downloads.fetch(self.repository.find(offer), took=lambda count: False)

    def refusal_code(self, offer):
        with pytest.raises(UpdateRefused) as caught:
            self.fetch(offer)
        return caught.value.code


@pytest.fixture
def device(artifacts, cloud, tmp_path):
    return make_device(artifacts, cloud, tmp_path)


def make_device(artifacts, cloud, tmp_path, days=0.0):
    repository = TrustedRepository(
        tmp_path / "device" / "tuf", root=artifacts.root_bytes, cloud=cloud, now_ms=lambda: now_ms(days)
    )
    return Device(repository, TargetDownload(tmp_path / "device" / "downloads", cloud))


@pytest.fixture
def offer(artifacts):
    artifacts.add(PATH, CONTENT)
    artifacts.publish()
    return offer_of(artifacts, PATH)


def offer_of(artifacts, path):
    target = artifacts._files[path]
    return ModelOffer(
        target_id=1,
        name="tiny",
        version="1",
        target_path=path,
        digest=target.hashes["sha256"],
        size_bytes=target.length,
    )


def target_file(artifacts, offer):
    return artifacts.targets / "models" / "tiny" / f"{offer.digest}.1.zip"


def flip(path, at=100):
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(bytes(content))


def test_a_signed_file_arrives(device, offer):
    assert device.fetch(offer).read_bytes() == CONTENT


def test_keys_rotated_while_the_device_was_away_are_followed(artifacts, device, offer):
    device.fetch(offer)
    for role in ("timestamp", "targets", "snapshot"):
        artifacts.rotate(role)
    artifacts.publish()
    assert device.fetch(offer).read_bytes() == CONTENT


def test_expired_metadata_is_refused(artifacts, cloud, tmp_path, offer):
    late = make_device(artifacts, cloud, tmp_path, days=8)
    assert late.refusal_code(offer) == "metadata_expired"


def test_expiry_is_judged_by_the_time_that_was_given_so_a_corrected_clock_is_not_locked_out(
    artifacts, cloud, tmp_path, offer
):
    assert make_device(artifacts, cloud, tmp_path, days=3650).refusal_code(offer) == "metadata_expired"
    assert make_device(artifacts, cloud, tmp_path).fetch(offer).read_bytes() == CONTENT


def test_an_older_timestamp_is_a_rollback(artifacts, device, offer):
    old = (artifacts.metadata / "timestamp.json").read_bytes()
    artifacts.publish()
    device.repository.find(offer)
    (artifacts.metadata / "timestamp.json").write_bytes(old)
    assert device.refusal_code(offer) == "metadata_rollback"


def test_a_rollback_is_noticed_after_a_restart_of_the_device_as_well(artifacts, cloud, tmp_path, offer):
    old = (artifacts.metadata / "timestamp.json").read_bytes()
    artifacts.publish()
    make_device(artifacts, cloud, tmp_path).repository.find(offer)
    (artifacts.metadata / "timestamp.json").write_bytes(old)
    assert make_device(artifacts, cloud, tmp_path).refusal_code(offer) == "metadata_rollback"


def test_metadata_signed_by_a_strangers_key_is_refused(artifacts, device, offer, tmp_path):
    stranger = ArtifactRepository(tmp_path / "stranger")
    stranger.add(PATH, b"evil")
    stranger.publish()
    shutil.copy(stranger.metadata / "timestamp.json", artifacts.metadata / "timestamp.json")
    assert device.refusal_code(offer) == "metadata_signature"


def test_stolen_online_keys_cannot_add_a_model(artifacts, device, offer, tmp_path):
    stranger = ArtifactRepository(tmp_path / "stranger")
    stranger.signers = {**artifacts.signers, "targets": stranger.signers["targets"]}
    stranger.version = artifacts.version
    stranger.add(PATH, b"evil")
    stranger.publish()
    shutil.copytree(stranger.metadata.parent, artifacts.metadata.parent, dirs_exist_ok=True)
    (artifacts.metadata / "1.root.json").write_bytes(artifacts.root_bytes)
    assert device.refusal_code(offer_of(stranger, PATH)) == "metadata_signature"


def test_changed_targets_metadata_is_refused(artifacts, device, offer):
    path = artifacts.metadata / "1.targets.json"
    path.write_bytes(path.read_bytes().replace(b"models/tiny/1.zip", b"models/evil/1.zip"))
    assert device.refusal_code(offer) == "metadata_signature"


def test_parts_of_two_publications_are_not_mixed(artifacts, device, offer):
    artifacts.add("models/tiny/2.zip", b"second")
    artifacts.publish()
    shutil.copy(artifacts.metadata / "1.snapshot.json", artifacts.metadata / "2.snapshot.json")
    assert device.refusal_code(offer) == "metadata_mismatch"


def test_a_new_root_without_the_old_roots_signature_is_refused(artifacts, device, offer, tmp_path):
    stranger = ArtifactRepository(tmp_path / "stranger")
    stranger.rotate("timestamp")
    shutil.copy(stranger.metadata / "2.root.json", artifacts.metadata / "2.root.json")
    assert device.refusal_code(offer) == "metadata_signature"


def test_a_root_below_its_own_threshold_is_refused(artifacts, device, offer):
    root = Metadata[Root].from_bytes(artifacts.root_bytes)
    root.signed.version = 2
    root.signed.roles["root"].threshold = 2
    root.sign(artifacts.signers["root"])
    root.to_file(str(artifacts.metadata / "2.root.json"))
    assert device.refusal_code(offer) == "metadata_signature"


def test_garbage_for_metadata_is_refused(artifacts, device, offer):
    (artifacts.metadata / "timestamp.json").write_bytes(b"<html>sign in to the plant's network</html>")
    assert device.refusal_code(offer) == "metadata_invalid"


def test_endless_metadata_is_cut_off(server, device, offer):
    server.endless_path = "timestamp.json"
    assert device.refusal_code(offer) == "metadata_endless"


def test_a_changed_file_is_refused_and_not_kept(artifacts, device, offer, tmp_path):
    flip(target_file(artifacts, offer))
    assert device.refusal_code(offer) == "target_mismatch"
    assert list((tmp_path / "device" / "downloads").iterdir()) == []


def test_an_endless_file_never_takes_more_disk_than_signed(server, device, offer, tmp_path):
    server.endless_path = ".1.zip"
    assert device.refusal_code(offer) == "target_endless"
    assert sum(path.stat().st_size for path in (tmp_path / "device" / "downloads").iterdir()) <= len(CONTENT)


def test_another_signed_file_than_the_offered_one_is_refused(device, offer):
    swapped = msgspec.structs.replace(offer, digest="0" * 64)
    assert device.refusal_code(swapped) == "digest_differs"


def test_an_unknown_target_is_refused(device, offer):
    assert device.refusal_code(msgspec.structs.replace(offer, target_path="models/none.zip")) == "target_unknown"


def test_a_device_without_a_root_accepts_nothing(cloud, tmp_path, offer):
    bare = TrustedRepository(tmp_path / "bare", root=b"", cloud=cloud, now_ms=now_ms)
    with pytest.raises(UpdateRefused, match="root_missing"):
        bare.find(offer)


def test_missing_metadata_and_a_dead_server_mean_later_not_never(artifacts, server, device, offer):
    (artifacts.metadata / "timestamp.json").unlink()
    with pytest.raises(CloudUnreachable):
        device.repository.find(offer)
    server.stop()
    with pytest.raises(CloudUnreachable):
        device.repository.find(offer)


def test_no_flipped_bit_in_any_metadata_or_file_gets_anything_else_through(artifacts, cloud, tmp_path, offer):
    rng = random.Random(2)
    paths = [
        *artifacts.metadata.glob("[t2]*.json"),
        artifacts.metadata / "1.targets.json",
        target_file(artifacts, offer),
    ]
    for turn in range(30):
        path = rng.choice(paths)
        good = path.read_bytes()
        flip(path, at=rng.randrange(len(good)))
        fresh = make_device(artifacts, cloud, tmp_path / str(turn))
        try:
            assert fresh.fetch(offer).read_bytes() == CONTENT
        except (UpdateRefused, CloudUnreachable):
            assert not list((tmp_path / str(turn) / "device" / "downloads").glob("*.zip"))
        path.write_bytes(good)


def test_a_link_cut_again_and_again_costs_hardly_more_bytes_than_the_file(artifacts, server, device, offer):
    server.cut_every_bytes = 16 * 1024
    server.cut_only = ".zip"
    assert device.fetch(offer).read_bytes() == CONTENT
    sent_bytes = sum(count for path, count in server.bytes_sent.items() if path.endswith(".zip"))
    assert len(CONTENT) <= sent_bytes <= 1.05 * len(CONTENT)


def test_a_download_goes_on_after_a_restart_of_the_agent(artifacts, cloud, server, tmp_path, offer):
    device = make_device(artifacts, cloud, tmp_path)
    target = device.repository.find(offer)
    pieces = iter([False, False, True])
    with pytest.raises(DownloadStopped):
        device.downloads.fetch(target, took=lambda count: next(pieces))
    (part,) = (tmp_path / "device" / "downloads").iterdir()
    had_bytes = part.stat().st_size
    assert 0 < had_bytes < len(CONTENT)
    server.bytes_sent.clear()
    assert make_device(artifacts, cloud, tmp_path).fetch(offer).read_bytes() == CONTENT
    assert sum(count for path, count in server.bytes_sent.items() if path.endswith(".zip")) == len(CONTENT) - had_bytes


def test_a_server_without_ranges_costs_bytes_and_not_correctness(artifacts, cloud, server, tmp_path, offer):
    device = make_device(artifacts, cloud, tmp_path)
    pieces = iter([False, True])
    with pytest.raises(DownloadStopped):
        device.downloads.fetch(device.repository.find(offer), took=lambda count: next(pieces))
    server.ignores_ranges = True
    assert device.fetch(offer).read_bytes() == CONTENT


def test_a_spoilt_beginning_is_thrown_away_so_that_the_next_try_can_work(device, offer, tmp_path):
    part = tmp_path / "device" / "downloads" / f"{offer.digest}.part"
    part.write_bytes(b"not the file")
    assert device.refusal_code(offer) == "target_mismatch"
    assert device.fetch(offer).read_bytes() == CONTENT
