"""The andon wall: every line in big words, nothing to click, and never more tiles than can be read."""

import re
from dataclasses import replace

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.rights import Role
from apps.dashboard.pages.kiosk import TILES_MAX, andons
from apps.dashboard.pages.lines import devices_seen, line_rows
from apps.devices.states import Shown
from tests.architecture.source import ROOT
from tests.factories.plant import Plant
from tests.factories.rollouts import PersonFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def plant() -> Plant:
    return Plant(timezone.now())


def wall(address: str = "/?kiosk=1", **place) -> str:
    client = Client()
    client.force_login(PersonFactory(role=Role.VIEWER, **place))
    reply = client.get(address)
    assert reply.status_code == 200
    return reply.content.decode()


def test_the_wall_names_each_line_its_state_and_why(plant):
    page = wall()
    for words in ("Line A1", "Inspecting", "Line B1", "Stopped", "No item for", "Line B2", "Silent for 14 min"):
        assert words in page, words


def test_the_wall_has_nothing_to_click(plant):
    assert not re.search(r"<(a|button|form|input|select|nav)\b", wall())


def test_the_wall_of_one_site_shows_that_site(plant):
    page = wall(f"/?kiosk=1&site={plant.sites[1].pk}")
    assert "Beta" in page
    assert "Line A1" not in page


def test_a_person_of_one_site_sees_no_other_on_the_wall(plant):
    page = wall(role__site_id=plant.sites[1].pk)
    assert "Line B1" in page
    assert "Line A1" not in page


def test_an_empty_wall_says_so():
    assert "No line has a device yet" in wall()


def test_with_many_lines_those_that_inspect_become_one_tile(plant):
    now = timezone.now()
    row = line_rows(devices_seen(PersonFactory(role=Role.VIEWER), now), now)[0]
    well = [replace(row, line_id=number, state=Shown.INSPECTING) for number in range(TILES_MAX)]
    stopped = replace(row, line_id=99, name="Line Z", state=Shown.STOPPED, sentence="No item for 6 min.")
    assert [tile.title for tile in andons([*well, stopped])] == ["Line Z", "8 lines"]
    assert len(andons(well)) == TILES_MAX


def test_no_text_of_the_wall_is_smaller_than_48_px():
    sizes = re.findall(r"font-size: (\d+)px", (ROOT / "static" / "dashboard" / "kiosk.css").read_text())
    assert sizes
    assert min(map(int, sizes)) >= 48
