"""The device page's last results and events, as the device's own records make them."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from apps.accounts.rights import Role
from apps.devices.services import command_queue
from apps.telemetry.services import batches_store
from edge_agent.wire.records import (
    Alarm,
    CommandAnswer,
    ConfigurationReported,
    ImageKept,
    Timing,
    Tombstone,
    UpdateStep,
)
from edge_agent.wire.words import (
    AlarmCode,
    CannotJudge,
    CommandKind,
    CommandOutcome,
    FlagReason,
    StreamKind,
    UpdateState,
    Verdict,
)
from tests.factories.defects import FlagFactory
from tests.factories.devices import DeviceFactory
from tests.factories.rollouts import PersonFactory, PublishedVersionFactory
from tests.factories.telemetry import NOON_MS, Journal, result

pytestmark = pytest.mark.django_db


def client_of(role: Role, site_id: int | None = None) -> Client:
    client = Client()
    client.force_login(PersonFactory(role=role, role__site_id=site_id))
    return client


def page_of(client: Client, name: str, device) -> str:
    reply = client.get(reverse(f"dashboard:{name}", args=[device.pk]))
    assert reply.status_code == 200
    return " ".join(reply.content.decode().split())


def store(device, journal: Journal) -> None:
    batches_store(received=[journal.received(device)], now=timezone.now())


def test_results_show_verdict_score_and_where_the_time_went():
    device, kept = DeviceFactory(), ImageKept(sha256="c" * 64, size_bytes=9, reason=FlagReason.LOW_CONFIDENCE)
    blind = {"verdict": Verdict.CANNOT_JUDGE, "cannot_judge": CannotJudge.GLARE, "score_ratio": None}
    late = Timing(infer_ms=30.0, total_ms=250.0, is_in_time=False)
    journal = Journal().write(result(1, score_ratio=0.613, image=kept), result(2, **blind), result(3, timing=late))
    store(device, journal)
    page = page_of(client_of(Role.VIEWER), "device_results", device)
    for words in ("0.613", "glare", "Cannot judge", "item-3", "30 ms", "220 ms", "late"):
        assert words in page, words


def test_a_thumbnail_is_there_once_the_image_is_and_only_for_who_may_see_images():
    device = DeviceFactory()
    kept = [ImageKept(sha256=one * 64, size_bytes=9, reason=FlagReason.LOW_CONFIDENCE) for one in "cd"]
    journal = Journal().write(result(1, image=kept[0]), result(2, image=kept[1]))
    store(device, journal)
    here = FlagFactory(device=device, stream_id=journal.stream, seq=1)
    FlagFactory(device=device, stream_id=journal.stream, seq=2, state="awaiting_image")
    page = page_of(client_of(Role.REVIEWER), "device_results", device)
    assert page.count("<img") == 1
    assert reverse("defects:image", args=[here.pk]) in page
    assert "<img" not in page_of(client_of(Role.VIEWER), "device_results", device)


def test_events_tell_update_steps_alarms_answers_and_losses_in_words():
    device, version = DeviceFactory(), PublishedVersionFactory(number=7)
    command = command_queue(device_id=device.pk, kind=CommandKind.HEALTH_CHECK, by=None, now=timezone.now())
    step = {"at_ms": NOON_MS, "target_id": 0, "version_digest": version.digest}
    answered = {"at_ms": NOON_MS, "command_id": str(command.pk), "outcome": CommandOutcome.FAILED}
    journal = Journal(StreamKind.CONTROL).write(
        UpdateStep(**step, state=UpdateState.ROLLED_BACK, reason="too slow"),
        Alarm(at_ms=NOON_MS, code=AlarmCode.CAMERA_FAULT, text="no frame for 3 s"),
        CommandAnswer(**answered, text="no disk"),
        CommandAnswer(**answered | {"command_id": "who knows"}),
        ConfigurationReported(at_ms=NOON_MS, revision=4, is_applied=False, reason="takt too short"),
        Tombstone(at_ms=NOON_MS, lost_kind="image", count=12, reason="disk budget"),
    )
    store(device, journal)
    page = page_of(client_of(Role.VIEWER), "device_events", device)
    told = (
        "Update to cells 7", "Rolled back", "too slow", "Camera fault", "no frame", "Health check", "no disk",
        "A command", "Configuration 4", "Refused: takt too short", "12 of kind image: disk budget",
    )  # fmt: skip
    for words in told:
        assert words in page, words


def test_the_device_page_costs_the_same_for_many_reports_as_for_one():
    device, client = DeviceFactory(), client_of(Role.REVIEWER)
    kept = ImageKept(sha256="c" * 64, size_bytes=9, reason=FlagReason.LOW_CONFIDENCE)
    journal, control = Journal().write(result(1, image=kept)), Journal(StreamKind.CONTROL)
    control.write(UpdateStep(at_ms=NOON_MS, target_id=0, version_digest="a" * 64, state=UpdateState.STAGED))

    def cost() -> int:
        store(device, journal)
        store(device, control)
        page_of(client, "device", device)
        with CaptureQueriesContext(connection) as queries:
            page_of(client, "device", device)
        return len(queries)

    few = cost()
    journal.write(*(result(number, image=kept) for number in range(2, 32)))
    for number in range(12):
        control.write(Alarm(at_ms=NOON_MS + number, code=AlarmCode.CAMERA_FAULT))
    assert cost() == few


@pytest.mark.parametrize("name", ["device_results", "device_events"])
def test_a_device_of_another_site_reports_nothing_to_a_person_of_this_one(name):
    device, other = DeviceFactory(), DeviceFactory()
    client = client_of(Role.VIEWER, other.line.site_id)
    assert client.get(reverse(f"dashboard:{name}", args=[device.pk])).status_code == 404
    assert "yet" in page_of(client, name, other)
