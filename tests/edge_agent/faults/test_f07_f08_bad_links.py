"""F07, F08: a download over a link that is cut every 64 KiB, or that stalls with its socket open."""

import random

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge_agent.clock import SystemClock
from edge_agent.cloud import CloudUnreachable, HttpCloud
from edge_agent.identity import Credentials, KeyPair
from edge_agent.update.trust import DownloadStopped, TargetDownload
from tests.kit.artifacts import ArtifactRepository
from tests.kit.fileserver import serving
from tests.kit.handclock import HandClock
from tests.kit.models import tiny_package
from tests.kit.updating import UpdatingDevice, run_for_good

CUT_BYTES = 64 * 1024
CONTENT = random.Random(7).randbytes(4 * 1024 * 1024)


class ForgetfulDownload(TargetDownload):
    """The planted bug: each cut begins the file anew."""

    def _append(self, file, target, took):
        file.seek(0)
        file.truncate()
        super()._append(file, target, took)


@pytest.fixture
def artifacts(tmp_path):
    repository = ArtifactRepository(tmp_path / "served")
    repository.add("models/big/1.zip", CONTENT)
    return repository


@pytest.fixture
def server(artifacts, tmp_path):
    artifacts.publish()
    with serving(tmp_path / "served") as files:
        yield files


@pytest.fixture
def cloud(server):
    credentials = Credentials(keys=KeyPair(Ed25519PrivateKey.generate()), subject="device-1")
    client = HttpCloud(server.url, credentials=credentials, clock=SystemClock(), read_timeout_s=0.3)
    yield client
    client.close()


def sent_bytes(server):
    return sum(count for path, count in server.bytes_sent.items() if path.endswith(".zip"))


def test_a_link_cut_every_64_kib_completes_without_fetching_again_what_it_had(artifacts, server, cloud, tmp_path):
    server.cut_every_bytes, server.cut_only = CUT_BYTES, ".zip"
    downloads = TargetDownload(tmp_path / "downloads", cloud)
    whole = downloads.fetch(artifacts._files["models/big/1.zip"], took=lambda count: False)
    assert whole.read_bytes() == CONTENT
    assert sent_bytes(server) <= 1.05 * len(CONTENT)


def test_the_check_catches_a_download_that_begins_anew(artifacts, server, cloud, tmp_path):
    server.cut_every_bytes, server.cut_only = CUT_BYTES, ".zip"
    limit_bytes = 2 * len(CONTENT)
    downloads = ForgetfulDownload(tmp_path / "downloads", cloud)
    with pytest.raises(DownloadStopped):
        downloads.fetch(artifacts._files["models/big/1.zip"], took=lambda count: sent_bytes(server) > limit_bytes)
    assert sent_bytes(server) > 1.05 * len(CONTENT)


@pytest.fixture
def device(tmp_path, artifacts, server, cloud):
    run_for_good(tmp_path / "device", tiny_package(tmp_path, score=0.1, version="old"))
    return UpdatingDevice(tmp_path / "device", cloud=cloud, root=artifacts.root_bytes, clock=HandClock())


def test_a_stalled_download_is_left_and_goes_on_where_it_was_when_the_link_is_back(tmp_path, artifacts, server, device):
    new = tiny_package(tmp_path, score=0.9, version="new")
    artifacts.add(new.offer().target_path, new.content)
    artifacts.publish()
    server.stall_after_bytes, server.stall_only = 5000, ".new.zip"
    device.order(new.offer())
    for _ in range(3):
        device.updater.advance()
    assert device.journal.states == ["offered", "downloading"]
    had_bytes = next((tmp_path / "device" / "downloads").iterdir()).stat().st_size
    assert 0 < had_bytes < len(new.content)
    server.stall_after_bytes = None
    server.released.set()
    device.clock.turn(60)
    device.settle()
    assert device.journal.states[-1] == "confirmed"


def test_a_stall_of_the_first_byte_means_later_not_never(artifacts, server, cloud, tmp_path):
    server.stall_after_bytes, server.stall_only = 0, ".zip"
    downloads = TargetDownload(tmp_path / "downloads", cloud)
    with pytest.raises(CloudUnreachable):
        downloads.fetch(artifacts._files["models/big/1.zip"], took=lambda count: False)
