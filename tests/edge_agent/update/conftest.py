import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge_agent.clock import SystemClock
from edge_agent.cloud import HttpCloud
from edge_agent.identity import Credentials, KeyPair
from tests.kit.artifacts import ArtifactRepository
from tests.kit.fileserver import serving


@pytest.fixture
def artifacts(tmp_path):
    return ArtifactRepository(tmp_path / "served")


@pytest.fixture
def server(artifacts, tmp_path):
    with serving(tmp_path / "served") as files:
        yield files


@pytest.fixture
def cloud(server):
    credentials = Credentials(keys=KeyPair(Ed25519PrivateKey.generate()), subject="device-1")
    client = HttpCloud(server.url, credentials=credentials, clock=SystemClock())
    yield client
    client.close()
