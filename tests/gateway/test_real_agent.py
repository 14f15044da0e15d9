"""The device's own client, journal, sync and check-in against the real gateway: both ends of the protocol."""

import io
import socket
from pathlib import Path

import numpy as np
import pytest
from django.conf import settings
from django.utils import timezone
from PIL import Image

from apps.core import files
from apps.defects.models import FlaggedImage
from apps.defects.states import ReviewState
from apps.devices import services
from apps.devices.models import Device
from apps.devices.states import Admission
from apps.models.services import repository_create
from apps.telemetry.models import DeviceFacts
from apps.telemetry.selectors import ledger
from edge_agent.checkin import Checkin, CheckinFacts
from edge_agent.clock import SystemClock
from edge_agent.cloud import CloudRefused, HttpCloud
from edge_agent.enrolment import EnrolmentOrder, enrol
from edge_agent.identity import load_identity
from edge_agent.journal import ImageFile, Journal
from edge_agent.orders import Orders
from edge_agent.sync import Sync
from edge_agent.update.trust import TrustedRepository, UpdateRefused
from edge_agent.wire.configuration import Configuration, InspectionSettings
from edge_agent.wire.messages import CheckinRequest, Hardware, ModelOffer
from edge_agent.wire.records import ImageKept
from edge_agent.wire.words import FlagReason
from tests.factories.devices import ExpectedDeviceFactory
from tests.factories.telemetry import result
from tests.kit.gateway import serving

CLOCK = SystemClock()


class NothingRuns:
    active_digest = None
    previous_digest = None


class Agent:
    """An enrolled data folder with the parts that talk to the cloud."""

    def __init__(self, url: str, folder: Path) -> None:
        repository_create(now=timezone.now())
        expected = ExpectedDeviceFactory()
        code = services.enrolment_code_issue(device=expected, by=None, now=timezone.now())
        newcomers = []

        def connect(credentials):
            newcomers.append(HttpCloud(url, credentials=credentials, clock=CLOCK))
            return newcomers[0]

        enrol(EnrolmentOrder(cloud_url=url, code=code, folder=folder), connect=connect)
        newcomers[0].close()
        self.identity = load_identity(folder)
        self.cloud = HttpCloud(url, credentials=self.identity.credentials(), clock=CLOCK)
        self.journal = Journal(folder / "journal", CLOCK)
        self.orders = Orders(folder, CLOCK)
        self.sync = Sync(self.cloud, journal=self.journal, interval_s=lambda: 1.0, clock=CLOCK)
        self.checkin = Checkin(
            self.cloud,
            orders=self.orders,
            versions=NothingRuns(),
            journal=self.journal,
            clock=CLOCK,
            facts=CheckinFacts(hardware=Hardware()),
        )

    def write(self, count: int) -> None:
        tickets = [self.journal.submit(result(number)) for number in range(count)]
        for ticket in tickets:
            ticket.wait(30)

    def drain(self) -> None:
        for _ in range(100):
            if self.sync.turn() > 0:
                return

    def close(self) -> None:
        self.journal.close()
        self.cloud.close()


@pytest.fixture
def agent(gateway, tmp_path):
    agent = Agent(gateway, tmp_path / "device")
    yield agent
    agent.close()


def assert_journal_and_cloud_agree(journal: Journal) -> None:
    rows = {row.stream: row for row in ledger()}
    for state in journal.streams():
        if state.last_seq:
            row = rows[state.stream]
            assert (row.stored, row.gap, row.duplicates, row.lag) == (state.last_seq, 0, 0, 0)


def test_a_backlog_drains_and_journal_and_cloud_agree(agent):
    agent.write(2_500)
    agent.drain()
    assert agent.journal.backlog().count == 0
    assert_journal_and_cloud_agree(agent.journal)


def test_a_flagged_image_arrives_with_its_record(agent):
    pixels = np.random.default_rng(3).integers(0, 255, (400, 400, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    image = ImageFile.of(stream.getvalue())
    kept = ImageKept(sha256=image.sha256, size_bytes=len(image.encoded), reason=FlagReason.LOW_CONFIDENCE)
    agent.journal.append(result(1, image=kept), images=[image])
    agent.drain()
    assert files.read(image.sha256) == image.encoded
    assert FlaggedImage.objects.get().state == ReviewState.WAITING
    assert agent.journal.backlog().images_waiting == 0


def test_a_setting_goes_down_and_its_report_comes_up(agent):
    wanted = Configuration(inspection=InspectionSettings(takt_ms=444))
    services.configuration_set(
        device_id=agent.identity.device.device_id, configuration=wanted, by=None, reason="test", now=timezone.now()
    )
    agent.checkin.check_in()
    assert agent.orders.configuration == wanted
    agent.drain()
    assert DeviceFacts.objects.get().configuration_revision == 1


def test_a_gateway_that_stops_and_comes_back_finds_everything(transactional_db, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with serving(port=port) as url:
        agent = Agent(url, tmp_path / "device")
        agent.write(300)
        agent.drain()
    agent.write(700)
    agent.drain()
    assert agent.journal.backlog().count == 700
    with serving(port=port):
        agent.drain()
        assert_journal_and_cloud_agree(agent.journal)
        assert sum(row.stored for row in ledger()) == 1_000
    agent.close()


def test_a_quarantined_device_is_refused_and_keeps_its_records(agent):
    device_id = agent.identity.device.device_id
    services.device_quarantine(device_id=device_id, reason="test", actor="system:test", now=timezone.now())
    agent.write(5)
    agent.drain()
    assert agent.journal.backlog().count == 5
    with pytest.raises(CloudRefused) as refused:
        agent.cloud.checkin(CheckinRequest(at_ms=0, agent_version="1"))
    assert refused.value.code == "device_quarantined"
    assert Device.objects.get().state == Admission.QUARANTINED


def test_the_device_reads_the_artifact_repository_through_the_gateway(agent):
    """The metadata verifies up from the root pinned at enrolment; a file that it does not name is refused."""
    device = agent.identity.device
    now_ms = agent.cloud.server_time.now_ms
    trusted = TrustedRepository(settings.TUF_DIR / "device", root=device.tuf_root, cloud=agent.cloud, now_ms=now_ms)
    offer = ModelOffer(target_id=1, name="x", version="1", target_path="models/x/1.zip", digest="a" * 64, size_bytes=9)
    with pytest.raises(UpdateRefused) as refused:
        trusted.find(offer)
    assert refused.value.code == "target_unknown"
