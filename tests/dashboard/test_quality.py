"""The quality page: limits per version, what its filters mean, and what it says where nothing is known."""

import re
from datetime import UTC, datetime, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from django.http import QueryDict
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from apps.accounts.rights import Role
from apps.dashboard.pages.quality import Filters, filters_of
from apps.dashboard.pages.quality_charts import quality_figure, stages_of
from apps.dashboard.pages.quality_counts import QualityPoint
from apps.defects.models import Review
from apps.defects.states import Answer
from tests.factories.defects import FlagFactory
from tests.factories.devices import DeviceFactory
from tests.factories.plant import Plant
from tests.factories.rollouts import PersonFactory
from tests.factories.telemetry import StreamFactory, WindowFactory

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
OLD, NEW = "a" * 64, "b" * 64
BERLIN = ZoneInfo("Europe/Berlin")


def points(digest: str, *defects: int, start_h: int = 0) -> list[QualityPoint]:
    """One point an hour, 1,000 judged items each."""
    times = [NOON + timedelta(hours=start_h + number) for number in range(len(defects))]
    return [QualityPoint(1, at, digest, 1000 - count, count, 5, at) for at, count in zip(times, defects, strict=True)]


def test_a_model_change_alone_puts_no_point_outside_the_limits():
    steady = points(OLD, 20, 22, 19, 21, 20, 18) + points(NEW, 80, 82, 79, 81, 80, 78, start_h=6)
    assert [len(stage.outside) for stage in stages_of(steady)] == [0, 0]
    as_if_one = [
        point for stage in stages_of(points(OLD, *(one.defect_count for one in steady))) for point in stage.outside
    ]
    assert as_if_one


def test_a_jump_within_one_version_is_outside_its_limits():
    (stage,) = stages_of(points(OLD, 20, 22, 19, 21, 20, 18, 20, 21, 19, 20, 22, 20, 90))
    assert [point.defect_count for point in stage.outside] == [90]


def test_steps_in_which_nothing_could_be_judged_have_no_point():
    blind = QualityPoint(1, NOON, OLD, 0, 0, 40, NOON)
    assert stages_of([blind]) == []
    assert [len(stage.points) for stage in stages_of([blind, *points(OLD, 3, 4)])] == [2]


def test_the_chart_names_each_version_at_its_line_in_plant_time():
    figure = quality_figure(
        stages_of(points(OLD, 1, 2) + points(NEW, 1, 2, start_h=3)), {OLD: "cells 12"}, BERLIN, step_s=3600
    )
    layout = figure["layout"]
    assert [(one["text"], one["x"]) for one in layout["annotations"]] == [
        ("cells 12", "2026-11-23T13:00:00"), (NEW[:12], "2026-11-23T16:00:00")
    ]  # fmt: skip
    assert [one["x0"] for one in layout["shapes"]] == ["2026-11-23T13:00:00", "2026-11-23T16:00:00"]
    assert "%" in layout["yaxis"]["title"]["text"]


def test_the_chart_shows_both_kinds_of_limits_and_marks_what_is_outside():
    figure = quality_figure(
        stages_of(points(OLD, 20, 22, 19, 21, 20, 18, 20, 21, 19, 20, 22, 20, 90)), {}, BERLIN, step_s=3600
    )
    share = next(one for one in figure["data"] if one["name"] == "steps")
    assert share["marker"]["symbol"] == ["circle"] * 12 + ["diamond"]
    assert {one["name"] for one in figure["data"]} == {"steps", "AI reject", "p limits", "p′ limits", "centre"}


def test_nothing_is_drawn_over_a_time_without_items():
    figure = quality_figure(stages_of(points(OLD, 20, 22) + points(OLD, 19, start_h=5)), {}, BERLIN, step_s=3600)
    share = next(one for one in figure["data"] if one["name"] == "AI reject")
    assert share["y"] == [2.0, pytest.approx(2.2), None, pytest.approx(1.9)]
    assert share["x"][2] is None


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("", Filters("24h", None, None)),
        ("range=7d&site=3&line=4", Filters("7d", 3, 4)),
        ("range=30y&site=x&line=-1", Filters("24h", None, None)),
        ("site=9999999999999999&line=²", Filters("24h", None, None)),
    ],
)
def test_what_the_address_cannot_mean_is_taken_as_not_said(asked, meant):
    assert filters_of(QueryDict(asked)) == meant


@pytest.mark.parametrize(("name", "step_s"), [("8h", 300), ("24h", 3600), ("7d", 3600)])
def test_steps_begin_on_whole_steps_of_the_clock(name, step_s):
    span = Filters(name, None, None).span(NOON + timedelta(minutes=7, seconds=3))
    assert span.step_s == step_s
    assert span.since.timestamp() % step_s == 0
    assert Filters(name, None, None).span(NOON + timedelta(minutes=8)).since == span.since


def client_of(role: Role = Role.VIEWER, site_id: int | None = None) -> Client:
    client = Client()
    client.force_login(PersonFactory(role=role, role__site_id=site_id))
    return client


def page_of(client: Client, asked: str = "") -> str:
    reply = client.get(reverse("dashboard:quality") + asked)
    assert reply.status_code == 200
    return " ".join(re.sub(r"<[^>]+>", " ", reply.content.decode()).split())


def judged(device, *, ago: timedelta, ok: int = 70, defect: int = 5, digest: str = OLD, labels=None) -> None:
    at = timezone.now() - ago
    WindowFactory(
        device=device, stream=StreamFactory(device=device), start=at, model_digest=digest,
        verdict_counts={"ok": ok, "defect": defect}, label_counts=labels or {"Crack": defect},
    )  # fmt: skip


def audited_pass(device, answer: Answer) -> None:
    at = timezone.now() - timedelta(minutes=5)
    flag = FlagFactory(device=device, verdict="ok", reason="random_sample", selection_ratio=0.02, at=at)
    Review.objects.create(flag=flag, uuid=uuid4(), by=PersonFactory(), at=at, answer=answer)


@pytest.mark.django_db
def test_without_any_data_the_page_says_what_to_do_next_and_claims_nothing():
    page = page_of(client_of())
    assert "No model judged an item here in this time" in page
    assert "Unknown: no passed item was audited" in page


@pytest.mark.django_db
def test_a_line_shows_its_yield_its_versions_and_what_was_found():
    device = DeviceFactory()
    judged(device, ago=timedelta(minutes=90), labels={"Crack": 3, "Chip": 2})
    judged(device, ago=timedelta(minutes=20), ok=75, defect=0, digest=NEW)
    page = page_of(client_of())
    assert "96.7 %" in page
    assert OLD[:12] in page
    assert NEW[:12] in page
    assert re.search(r"Crack 3 60 % Chip 2 100 %", page)


@pytest.mark.django_db
def test_no_escape_found_is_stated_as_a_bound():
    device = DeviceFactory()
    for _ in range(30):
        audited_pass(device, Answer.GOOD)
    assert "0 found in 30 audited passes, so at most 95,034 ppm (95 %)" in page_of(client_of())


@pytest.mark.django_db
def test_an_escape_that_was_found_is_stated_with_its_interval():
    device = DeviceFactory()
    for answer in (Answer.GOOD, Answer.GOOD, Answer.GOOD, Answer.DEFECT):
        audited_pass(device, answer)
    page = page_of(client_of())
    assert re.search(r"250,000 ppm \[6,309 ppm, 805,88\d ppm\]: 1 found in 4 audited passes", page)


@pytest.mark.django_db
def test_a_line_that_went_silent_is_stale_since_and_not_in_order():
    device = DeviceFactory()
    judged(device, ago=timedelta(hours=2))
    assert "stale since" in page_of(client_of())
    judged(device, ago=timedelta(minutes=1))
    assert "stale since" not in page_of(client_of())


@pytest.mark.django_db
def test_range_and_line_narrow_what_is_counted():
    near, far = DeviceFactory(), DeviceFactory()
    judged(near, ago=timedelta(hours=1), labels={"Near": 5})
    judged(far, ago=timedelta(hours=30), labels={"Far": 5})
    client = client_of()
    assert "Far" not in page_of(client, "?range=24h")
    assert "Far" in page_of(client, "?range=7d")
    assert "Near" not in page_of(client, f"?range=7d&line={far.line_id}")
    assert "Near" not in page_of(client, f"?range=7d&site={far.line.site_id}")
    assert "Far" in page_of(client, f"?range=7d&site={far.line.site_id}&line={near.line_id}"), "a line of another site"


@pytest.mark.django_db
def test_a_person_of_one_site_sees_no_line_of_another():
    mine, other = DeviceFactory(), DeviceFactory()
    judged(mine, ago=timedelta(minutes=30), labels={"Mine": 5})
    judged(other, ago=timedelta(minutes=30), labels={"Other": 5})
    audited_pass(other, Answer.DEFECT)
    client = client_of(site_id=mine.line.site_id)
    page = page_of(client, f"?line={other.line_id}") + page_of(client)
    assert "Mine" in page
    assert "Other" not in page
    assert "Unknown: no passed item was audited" in page
    assert client.get(reverse("dashboard:quality_figure", args=[other.line_id])).status_code == 404


@pytest.mark.django_db
def test_the_figure_of_a_line_has_limits_for_each_version():
    device = DeviceFactory()
    for ago in (170, 110, 50):
        judged(device, ago=timedelta(minutes=ago))
        judged(device, ago=timedelta(minutes=ago), digest=NEW, defect=20)
    figure = client_of().get(reverse("dashboard:quality_figure", args=[device.line_id]) + "?range=24h").json()
    assert len(figure["layout"]["shapes"]) == 2
    assert [len(one["y"]) for one in figure["data"] if one["name"] == "steps"] == [3, 3]


@pytest.mark.django_db
def test_the_page_costs_as_many_queries_for_a_dozen_lines_as_for_two():
    client = client_of()

    def cost() -> int:
        from django.db import connection

        with CaptureQueriesContext(connection) as queries:
            page_of(client)
        return len(queries)

    plant = Plant(timezone.now(), device_count=2)
    few = cost()
    for number in range(10):
        plant._device(10 + number)
    assert cost() == few
