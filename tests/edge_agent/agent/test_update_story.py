"""A real device process gets a model, keeps it over a kill, and refuses to keep a bad one."""

import msgspec
import pytest

from edge_agent.wire.codec import decode_record
from edge_agent.wire.messages import DesiredState
from edge_agent.wire.records import Result, UpdateStep
from edge_agent.wire.words import FINAL_UPDATE_STATES, StreamKind, UpdateState, Verdict
from tests.kit.agents import AgentProcess, wait_until
from tests.kit.artifacts import ArtifactRepository
from tests.kit.cloud import FakeCloud
from tests.kit.models import nan_model, tiny_package
from tests.kit.oracle import inspection_bodies

UPDATE_TIMEOUT_S = 90


class Plant:
    """One device, its cloud, and a signed repository."""

    def __init__(self, folder):
        self.folder = folder
        self.cloud = FakeCloud()
        self.artifacts = ArtifactRepository(folder / "served")
        self.cloud.ledger.files = folder / "served"
        self.cloud.ledger.tuf_root = self.artifacts.root_bytes
        self.agent = AgentProcess(folder, self.cloud.url)
        self._revision = 0

    def offer(self, package):
        """Publish the package and want it on the device."""
        offer = msgspec.structs.replace(package.offer(), probation_items=20, probation_s=30.0, max_p95_ms=2000.0)
        self.artifacts.add(offer.target_path, package.content)
        self.artifacts.publish()
        self._revision += 1
        self.cloud.ledger.desired = DesiredState(
            revision=f"r{self._revision}", checkin_interval_s=1.0, server_time_ms=0, model=offer
        )

    def steps(self, package):
        with self.cloud.ledger.lock:
            bodies = [body for stream in self.cloud.ledger.of_kind(StreamKind.CONTROL) for body in stream.bodies]
        records = [decode_record(body) for body in bodies]
        return [one for one in records if isinstance(one, UpdateStep) and one.version_digest == package.digest]

    def wait_for_end(self, package):
        """The last state of this update."""
        wait_until(lambda: any(s.state in FINAL_UPDATE_STATES for s in self.steps(package)), UPDATE_TIMEOUT_S)
        return self.steps(package)[-1]

    def close(self):
        self.agent.close()
        self.cloud.stop()


@pytest.fixture
def plant(tmp_path):
    one = Plant(tmp_path)
    yield one
    one.close()


def test_a_device_gets_a_model_keeps_it_over_a_kill_and_returns_from_a_bad_one(plant):
    agent = plant.agent
    good, bad = tiny_package(plant.folder, score=0.9), tiny_package(plant.folder, version="2", model=nan_model())

    agent.start()
    assert agent.told()[0].verdict is Verdict.CANNOT_JUDGE
    plant.offer(good)
    end = plant.wait_for_end(good)
    assert (end.state, end.running_digest) == (UpdateState.CONFIRMED, good.digest)
    assert agent.told()[-1].verdict is Verdict.DEFECT

    agent.kill()
    plant.cloud.stop()
    told_count = len(agent.told())
    agent.start()
    assert {one.verdict for one in agent.told()[told_count:]} == {Verdict.DEFECT}

    plant.cloud.start()
    plant.offer(bad)
    end = plant.wait_for_end(bad)
    assert end.state in (UpdateState.FAILED, UpdateState.ROLLED_BACK)
    assert end.running_digest == good.digest
    assert agent.told()[-1].verdict is Verdict.DEFECT

    results = [one for one in map(decode_record, inspection_bodies(plant.cloud.ledger)) if isinstance(one, Result)]
    assert {one.model_digest for one in results} == {None, good.digest}
    assert all(one.verdict is Verdict.CANNOT_JUDGE for one in results if one.model_digest is None)
