"""F09: a proxy flips a bit, truncates, swaps, appends or never ends: none of it is accepted or fills the disk."""

import random

import pytest

from edge_agent.clock import SystemClock
from edge_agent.cloud import CloudUnreachable
from edge_agent.update.trust import TargetDownload, TrustedRepository, UpdateRefused
from tests.kit import spoilers
from tests.kit.artifacts import ArtifactRepository
from tests.kit.models import tiny_package

MIB = 1024 * 1024
TURNS = 200
"""Of each kind; five kinds make the thousand."""
KINDS = [spoilers.flipped, spoilers.truncated, spoilers.appended, spoilers.swapped, spoilers.replaced]


class Gullible(TargetDownload):
    """The planted bug: takes what came for what was signed."""

    def _verified(self, part, target):
        return part.replace(part.with_suffix(".zip"))


@pytest.fixture
def world(tmp_path):
    artifacts = ArtifactRepository(tmp_path / "served")
    package = tiny_package(tmp_path, score=0.9)
    artifacts.add(package.offer().target_path, package.content)
    artifacts.publish()
    cloud = spoilers.SpoiltCloud(tmp_path / "served", random.Random(9))
    repository = TrustedRepository(
        tmp_path / "tuf", root=artifacts.root_bytes, cloud=cloud, now_ms=SystemClock().wall_ms
    )
    return cloud, repository, package, tmp_path / "downloads"


def fetched(downloads, target):
    """What was accepted; None when nothing was."""
    try:
        return downloads.fetch(target, took=lambda count: False).read_bytes()
    except (UpdateRefused, CloudUnreachable):
        return None


def used_bytes(folder):
    return sum(path.stat().st_size for path in folder.iterdir())


def accepted_count(downloads, cloud, target, *, good, kind, folder):
    """How many spoilt files were taken. A refused beginning may stay, but never more than was signed."""
    cloud.spoil, count = kind, 0
    for _ in range(TURNS):
        content = fetched(downloads, target)
        assert used_bytes(folder) <= target.length + MIB
        count += content is not None and content != good
        downloads.discard(target.hashes["sha256"])
    return count


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_no_spoilt_file_is_accepted(world, kind):
    cloud, repository, package, folder = world
    downloads = TargetDownload(folder, cloud)
    target = repository.find(package.offer())
    assert accepted_count(downloads, cloud, target, good=package.content, kind=kind, folder=folder) == 0
    cloud.spoil = lambda content, rng: content
    assert fetched(downloads, target) == package.content


@pytest.mark.parametrize(
    "kind", [spoilers.flipped, spoilers.swapped, spoilers.replaced], ids=lambda kind: kind.__name__
)
def test_the_check_catches_a_device_that_believes_the_server(world, kind):
    cloud, repository, package, folder = world
    target = repository.find(package.offer())
    gullible = Gullible(folder, cloud)
    assert accepted_count(gullible, cloud, target, good=package.content, kind=kind, folder=folder) > TURNS // 2


def test_an_endless_file_is_cut_off_at_its_signed_size(world):
    cloud, repository, package, folder = world
    target = repository.find(package.offer())
    cloud.is_endless = True
    assert fetched(TargetDownload(folder, cloud), target) is None
    assert used_bytes(folder) <= target.length
    assert cloud.sent_bytes <= target.length + MIB


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("name", ["timestamp", "snapshot", "targets"])
def test_no_spoilt_metadata_names_another_file(world, kind, name):
    cloud, repository, package, _ = world
    cloud.only, cloud.spoil = name, kind
    for _ in range(8):
        try:
            target = repository.find(package.offer())
        except (UpdateRefused, CloudUnreachable):
            continue
        assert target.hashes["sha256"] == package.digest
