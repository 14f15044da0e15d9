"""F15 and F16: expired metadata raises an alarm, and the attacks that tests/edge_agent/update does not have yet.

There: replay, rollback, mix-and-match, strange and stolen keys, a root below its threshold, wrong target, endless data.
"""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, MetaFile, Snapshot, Targets

from edge_agent.clock import SystemClock
from edge_agent.cloud import HttpCloud
from edge_agent.identity import Credentials, KeyPair
from edge_agent.update.trust import TrustedRepository, UpdateRefused
from edge_agent.wire.words import AlarmCode
from tests.kit.artifacts import ArtifactRepository
from tests.kit.fault_records import leave_facts
from tests.kit.fileserver import serving
from tests.kit.handclock import HandClock
from tests.kit.models import tiny_package
from tests.kit.updating import UpdatingDevice, run_for_good

CHECKIN_INTERVAL_S = 30.0


@pytest.fixture
def artifacts(tmp_path):
    return ArtifactRepository(tmp_path / "served")


@pytest.fixture
def cloud(artifacts, tmp_path):
    with serving(tmp_path / "served") as files:
        keys = KeyPair(Ed25519PrivateKey.generate())
        client = HttpCloud(files.url, credentials=Credentials(keys=keys, subject="device-1"), clock=SystemClock())
        yield client
        client.close()


@pytest.fixture
def package(tmp_path, artifacts):
    package = tiny_package(tmp_path, score=0.9, version="new")
    artifacts.add(package.offer().target_path, package.content)
    artifacts.publish()
    return package


@pytest.fixture
def repository(artifacts, cloud, tmp_path):
    def opened(*, later_days=0):
        return TrustedRepository(
            tmp_path / "tuf",
            root=artifacts.root_bytes,
            cloud=cloud,
            now_ms=lambda: SystemClock().wall_ms() + later_days * 24 * 3_600_000,
        )

    return opened


def refusal_code(repository, offer):
    with pytest.raises(UpdateRefused) as caught:
        repository.find(offer)
    return caught.value.code


# F15


def expire(artifacts):
    artifacts.expires = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
    artifacts.publish()


def test_expired_metadata_keeps_the_old_model_running_and_raises_an_alarm_within_one_checkin(
    tmp_path, artifacts, cloud, package
):
    old = tiny_package(tmp_path, score=0.1, version="old")
    run_for_good(tmp_path / "device", old)
    expire(artifacts)
    clock = HandClock()
    device = UpdatingDevice(tmp_path / "device", cloud=cloud, root=artifacts.root_bytes, clock=clock)
    device.order(package.offer())
    begun_s = clock.monotonic_s()
    device.settle()
    leave_facts("F15", seed=0, alarm_after_s=clock.monotonic_s() - begun_s, states=device.journal.states)
    assert device.slots.active_digest == old.digest
    assert [alarm.code for alarm in device.journal.alarms] == [AlarmCode.UPDATE_REFUSED]
    assert "metadata_expired" in device.journal.alarms[0].text
    assert clock.monotonic_s() - begun_s <= CHECKIN_INTERVAL_S


def test_metadata_that_is_signed_anew_is_believed_again(tmp_path, artifacts, repository, package):
    expire(artifacts)
    assert refusal_code(repository(), package.offer()) == "metadata_expired"
    artifacts.expires = datetime.now(UTC).replace(microsecond=0) + timedelta(days=7)
    artifacts.publish()
    assert repository().find(package.offer()).length == len(package.content)


# F16


def test_a_frozen_repository_is_refused_once_its_timestamp_has_expired(artifacts, repository, package):
    """Freeze: an attacker serves what was right, for ever. It can hold a device back no longer than the expiry."""
    assert repository(later_days=6).find(package.offer())
    assert refusal_code(repository(later_days=8), package.offer()) == "metadata_expired"


def test_a_device_is_freed_from_a_fast_forward_by_new_keys(artifacts, repository, package):
    """Stolen online keys sign versions that no honest one will reach; rotating the keys resets them."""
    honest = artifacts.version
    artifacts.version = 2**31
    artifacts.publish()
    assert repository().find(package.offer())
    artifacts.version = honest
    artifacts.publish()
    assert refusal_code(repository(), package.offer()) == "metadata_rollback"
    for role in ("timestamp", "snapshot", "targets"):
        artifacts.rotate(role)
    artifacts.publish()
    assert repository().find(package.offer())


def test_targets_metadata_older_than_what_was_seen_is_refused_even_under_a_new_snapshot(artifacts, repository, package):
    artifacts.publish()
    assert repository().find(package.offer())
    artifacts.version += 1
    artifacts.write(
        "snapshot",
        Snapshot(version=artifacts.version, expires=artifacts.expires, meta={"targets.json": MetaFile(version=1)}),
    )
    artifacts.write_timestamp()
    assert refusal_code(repository(), package.offer()) == "metadata_rollback"


def test_one_of_two_needed_signatures_is_not_enough(artifacts, repository, package):
    second = CryptoSigner.generate_ed25519()
    artifacts.root.signed.add_key(second.public_key, "targets")
    artifacts.root.signed.roles["targets"].threshold = 2
    artifacts.root.signed.version += 1
    artifacts.write_root()
    artifacts.publish()
    assert refusal_code(repository(), package.offer()) == "metadata_signature"
    twice_by_one = Metadata(Targets(version=artifacts.version, expires=artifacts.expires, targets=artifacts._files))
    twice_by_one.sign(artifacts.signers["targets"])
    twice_by_one.sign(artifacts.signers["targets"], append=True)
    twice_by_one.to_file(str(artifacts.metadata / f"{artifacts.version}.targets.json"))
    assert refusal_code(repository(), package.offer()) == "metadata_signature"
    by_both = Metadata(twice_by_one.signed)
    by_both.sign(artifacts.signers["targets"])
    by_both.sign(second, append=True)
    by_both.to_file(str(artifacts.metadata / f"{artifacts.version}.targets.json"))
    assert repository().find(package.offer())


def test_a_root_that_skips_a_version_is_not_followed(artifacts, repository, package):
    artifacts.root.signed.version = 3
    artifacts.write_root()
    (artifacts.metadata / "3.root.json").rename(artifacts.metadata / "2.root.json")
    assert refusal_code(repository(), package.offer()) in ("metadata_rollback", "metadata_invalid", "metadata_mismatch")


def test_a_repository_that_trusts_whatever_it_is_served_is_caught(artifacts, cloud, tmp_path, package):
    """The negative control: rooted anew at each look, the rollback above goes through."""
    artifacts.publish()
    number = iter(range(9))

    def careless():
        return TrustedRepository(
            tmp_path / f"tuf-{next(number)}", root=artifacts.root_bytes, cloud=cloud, now_ms=SystemClock().wall_ms
        )

    assert careless().find(package.offer())
    artifacts.version = 1
    artifacts.write_timestamp()
    assert careless().find(package.offer())
