"""The agent itself, reference data and a shadow candidate come by the same path as a model."""

import hashlib
import random
import threading
from pathlib import Path

import msgspec
import pytest

from edge_agent.clock import SystemClock
from edge_agent.hardware import hardware
from edge_agent.journal import JournalUnavailable
from edge_agent.orders import Orders
from edge_agent.update.extra_kinds import AgentExtra, Process, ReferenceExtra, ShadowExtra, current_reference
from edge_agent.update.extras import ExtraFlow, ExtraParts
from edge_agent.update.fetching import Fetching
from edge_agent.update.manifest import PackageRefused
from edge_agent.update.pacing import Room
from edge_agent.update.pointer import Pointer, given_up, next_run, read_pointer, write_pointer
from edge_agent.update.trial import TrialReport
from edge_agent.update.trust import TargetDownload, TrustedRepository
from edge_agent.update.wheels import install_wheel
from edge_agent.wire.manifest import MANIFEST_NAME, ReferenceManifest
from edge_agent.wire.messages import DesiredState, ModelOffer
from edge_agent.wire.words import OfferKind
from tests.kit.artifacts import ArtifactRepository
from tests.kit.handclock import HandClock
from tests.kit.models import package_file, tiny_package, write_zip
from tests.kit.spoilers import SpoiltCloud
from tests.kit.updating import ListJournal
from tests.kit.wheels import GOOD, INFO, wheel_bytes

WAY = ["offered", "downloading", "staged", "trial", "probation", "confirmed"]


class World:
    """One device's folder, opened by one process after another."""

    def __init__(self, folder: Path):
        self.folder = folder / "device"
        self.folder.mkdir()
        self.clock = HandClock()
        self.journal = ListJournal()
        self.artifacts = ArtifactRepository(folder / "served")
        self.cloud = SpoiltCloud(folder / "served", random.Random(1))
        self.restarts = []

    def offer(self, kind, content, *, name="x", target_id=1):
        path = f"{kind}/{name}.bin"
        self.artifacts.add(path, content)
        self.artifacts.publish()
        return ModelOffer(
            target_id=target_id,
            name=name,
            version="1",
            target_path=path,
            digest=hashlib.sha256(content).hexdigest(),
            size_bytes=len(content),
            kind=kind,
        )

    def flow(self, extra, *offers):
        """As a process that starts."""
        orders = Orders(self.folder, self.clock)
        orders.accept(DesiredState(revision="1", checkin_interval_s=1.0, server_time_ms=0, extras=list(offers)))
        fetching = Fetching(
            repository=TrustedRepository(
                self.folder / "tuf", root=self.artifacts.root_bytes, cloud=self.cloud, now_ms=SystemClock().wall_ms
            ),
            downloads=TargetDownload(self.folder / "extras", self.cloud),
            hardware=hardware(),
            room=lambda: Room(2**40, 2**40),
            clock=self.clock,
        )
        parts = ExtraParts(orders=orders, journal=self.journal, clock=self.clock, fetching=fetching)
        flow = ExtraFlow(self.folder, extra, parts)
        flow.resume(threading.Event())
        return flow

    def settle(self, flow):
        for _ in range(40):
            if not flow.advance():
                self.clock.turn(20)
        return self.journal.states

    def agent(self, launched_as="base", is_well=True):
        process = Process(launched_as, restart=lambda: self.restarts.append(1), is_well=lambda: is_well)
        return AgentExtra(self.folder, process, self.clock)

    @property
    def reason(self):
        return self.journal.steps[-1].reason


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def test_a_new_agent_is_installed_tried_and_proven_across_its_restart(world):
    offer = world.offer(OfferKind.AGENT, wheel_bytes())
    world.settle(world.flow(world.agent(), offer))
    assert world.journal.states == WAY[:5]
    assert (len(world.restarts), read_pointer(world.folder).trial) == (1, offer.digest)
    pointer, name = next_run(read_pointer(world.folder), lambda name: True)
    write_pointer(world.folder, pointer)
    assert name == offer.digest
    world.settle(world.flow(world.agent(launched_as=name), offer))
    assert world.journal.states == WAY
    assert world.journal.steps[-1].running_digest == offer.digest
    assert read_pointer(world.folder) == Pointer(active=offer.digest)


def test_a_new_agent_whose_parts_fail_never_reports_itself_healthy(world):
    offer = world.offer(OfferKind.AGENT, wheel_bytes())
    world.settle(world.flow(world.agent(), offer))
    world.settle(world.flow(world.agent(launched_as=offer.digest, is_well=False), offer))
    assert world.journal.states[-1] == "probation"


def test_the_old_agent_tells_that_the_new_one_did_not_start_and_does_not_try_it_again(world):
    offer = world.offer(OfferKind.AGENT, wheel_bytes())
    world.settle(world.flow(world.agent(), offer))
    write_pointer(world.folder, given_up(read_pointer(world.folder)))
    old = world.flow(world.agent(), offer)
    world.settle(old)
    assert (world.journal.states[-1], world.reason) == ("rolled_back", "start_failed")
    again = msgspec.structs.replace(offer, target_id=2)
    world.settle(world.flow(world.agent(), again))
    assert world.reason == "known_bad: start_failed"
    assert len(world.restarts) == 1


@pytest.mark.parametrize(
    ("files", "code"),
    [({**GOOD, "edge_agent/agent.py": b"import no_such_module"}, "agent_broken"), (GOOD, "launcher_missing")],
)
def test_an_agent_that_cannot_run_here_is_never_started(world, files, code):
    offer = world.offer(OfferKind.AGENT, wheel_bytes(files))
    launched_as = None if code == "launcher_missing" else "base"
    world.settle(world.flow(world.agent(launched_as=launched_as), offer))
    assert (world.journal.states[-1], world.reason.split(":")[0]) == ("failed", code)
    assert read_pointer(world.folder) == Pointer()


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"no zip", "wheel_damaged"),
        (wheel_bytes({**GOOD, "../evil.py": b""}), "wheel_name"),
        (wheel_bytes({**GOOD, "sitecustomize.py": b""}), "wheel_name"),
        (wheel_bytes(info="django-5.dist-info"), "wheel_foreign"),
        (wheel_bytes(pure=False), "wheel_foreign"),
        (wheel_bytes({"edge_agent/agent.py": b""}), "wheel_foreign"),
        (wheel_bytes(record={"edge_agent/agent.py": "sha256=AAAA"}), "wheel_record"),
        (wheel_bytes({**GOOD, f"{INFO}/entry_points.txt": b""}, record={}), ""),
    ],
)
def test_only_a_pure_recorded_wheel_of_the_agent_is_unpacked(tmp_path, content, code):
    (tmp_path / "file").write_bytes(content)
    if not code:
        install_wheel(tmp_path / "file", tmp_path / "there")
        assert (tmp_path / "there" / "edge_agent" / "agent.py").is_file()
        return
    with pytest.raises(PackageRefused, match=code):
        install_wheel(tmp_path / "file", tmp_path / "there")
    assert not (tmp_path / "there").exists()


def reference_bytes(folder, files, *, version="1"):
    manifest = ReferenceManifest(
        name="line-1", version=version, files={name: package_file(content) for name, content in files.items()}
    )
    write_zip(folder / "reference.zip", {MANIFEST_NAME: msgspec.json.encode(manifest), **files})
    return (folder / "reference.zip").read_bytes()


def test_reference_data_is_replaced_as_a_whole(world, tmp_path):
    for number in (1, 2):
        content = reference_bytes(tmp_path, {"mask.png": bytes([number])}, version=str(number))
        offer = world.offer(OfferKind.REFERENCE, content, name=f"r{number}", target_id=number)
        world.settle(world.flow(ReferenceExtra(world.folder), offer))
        assert world.journal.states[-6:] == WAY
        assert (current_reference(world.folder) / "mask.png").read_bytes() == bytes([number])
    assert len(list((world.folder / "reference").iterdir())) == 1


def test_reference_data_that_cannot_be_read_changes_nothing(world, tmp_path):
    offer = world.offer(OfferKind.REFERENCE, reference_bytes(tmp_path, {"golden.npz": b"no arrays"}))
    world.settle(world.flow(ReferenceExtra(world.folder), offer))
    assert (world.journal.states[-1], world.reason.split(":")[0]) == ("failed", "golden_broken")
    assert current_reference(world.folder) is None


class Slot:
    candidate = None
    window_count = 0


def shadow_of(world, slot, reason=""):
    return ShadowExtra(
        world.folder, slot, hardware(), trial=lambda version, stop: TrialReport(reason=reason, frame_count=1)
    )


def test_a_candidate_looks_on_for_as_long_as_it_is_offered(world, tmp_path):
    slot, package = Slot(), tiny_package(tmp_path, score=0.9)
    offer = world.offer(OfferKind.SHADOW, package.content)
    world.settle(world.flow(shadow_of(world, slot), offer))
    assert world.journal.states == WAY[:5]
    assert slot.candidate.digest == package.digest
    again = Slot()
    world.settle(world.flow(shadow_of(world, again), offer))
    assert again.candidate.digest == package.digest
    world.settle(world.flow(shadow_of(world, again)))
    assert (world.journal.states[-1], again.candidate) == ("withdrawn", None)


@pytest.mark.parametrize(("windows", "state"), [(0, "rolled_back"), (1, "probation")])
def test_a_candidate_that_ends_the_agent_at_each_start_is_left_out(world, tmp_path, windows, state):
    offer = world.offer(OfferKind.SHADOW, tiny_package(tmp_path, score=0.9).content)
    for _ in range(6):
        slot = Slot()
        flow = world.flow(shadow_of(world, slot), offer)
        world.settle(flow)
        slot.window_count += windows
        world.settle(flow)
    assert world.journal.states[-1] == state
    assert (slot.candidate is None) == (state == "rolled_back")


def test_a_candidate_that_fails_its_trial_never_looks_on(world, tmp_path):
    slot = Slot()
    offer = world.offer(OfferKind.SHADOW, tiny_package(tmp_path, score=0.9).content)
    world.settle(world.flow(shadow_of(world, slot, reason="trial_timeout"), offer))
    assert (world.journal.states[-1], world.reason, slot.candidate) == ("failed", "trial_timeout", None)


def test_an_offer_of_an_unknown_kind_harms_nobody(world, tmp_path):
    known = world.offer(OfferKind.REFERENCE, reference_bytes(tmp_path, {"mask.png": b"m"}))
    unknown = msgspec.structs.replace(known, kind="hologram")
    world.settle(world.flow(ReferenceExtra(world.folder), unknown, known))
    assert world.journal.states == WAY


class HalfJournal(ListJournal):
    def __init__(self):
        super().__init__()
        self.asked = 0

    def append(self, record):
        self.asked += 1
        if self.asked % 2:
            raise JournalUnavailable("full")
        return super().append(record)


def test_a_journal_that_takes_nothing_loses_no_step(world, tmp_path):
    world.journal = HalfJournal()
    offer = world.offer(OfferKind.REFERENCE, reference_bytes(tmp_path, {"mask.png": b"m"}))
    flow = world.flow(ReferenceExtra(world.folder), offer)
    for _ in range(60):
        try:
            flow.advance()
        except JournalUnavailable:
            world.clock.turn(1)
    assert world.journal.states == WAY
