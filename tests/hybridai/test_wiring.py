import dataclasses
import importlib
import inspect

import pytest
from django.apps import apps

from hybridai.wiring import PAGES, TASKS, turns


def events() -> list[type]:
    """Every event that any of our apps can ring."""
    found = []
    for config in apps.get_app_configs():
        if config.name.startswith("apps.") and importlib.util.find_spec(f"{config.name}.events"):
            module = importlib.import_module(f"{config.name}.events")
            found += [
                one for _, one in inspect.getmembers(module, inspect.isclass) if one.__module__ == module.__name__
            ]
    return found


@pytest.mark.parametrize("event_type", events())
def test_every_event_reaches_a_page_or_a_task(event_type):
    assert event_type in PAGES or event_type in TASKS


@pytest.mark.parametrize("event_type", list(PAGES))
def test_every_topic_can_be_named_from_its_event(event_type):
    event = event_type(*[7 for _ in dataclasses.fields(event_type)])
    assert all("{" not in topic.format(event=event) for topic in PAGES[event_type])


@pytest.mark.django_db
def test_every_due_service_can_be_asked_when_nothing_is_due():
    from django.utils import timezone

    for turn in turns():
        turn.due(now=timezone.now())
