"""What people can set, send or type is written down; a new one without a word fails here."""

import re

import pytest

from apps.alerts.states import RuleKind
from edge_agent.wire.records import STREAM_OF_RECORD
from tests.architecture.source import ROOT

DOCS = {file.name: file.read_text() for file in [*(ROOT / "docs").glob("*.md"), ROOT / "README.md"]}
SETTINGS = re.findall(r'(?:env_\w+\(\s*|environ\.get\()"([A-Z_]+)"', (ROOT / "hybridai" / "settings.py").read_text())
VERBS = re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(), re.M)


@pytest.mark.parametrize("name", sorted(set(SETTINGS)))
def test_every_setting_has_a_row_in_the_settings_page(name):
    assert f"`{name}`" in DOCS["settings.md"]


@pytest.mark.parametrize("verb", VERBS)
def test_every_make_verb_is_explained(verb):
    assert any(f"make {verb}" in text for text in DOCS.values())


@pytest.mark.parametrize("record", sorted(one.__name__ for one in STREAM_OF_RECORD))
def test_every_wire_record_is_explained(record):
    assert any(re.search(rf"`{record}\b|^#+ .*\b{record}\b", text, re.M) for text in DOCS.values())


@pytest.mark.parametrize("kind", [one.value for one in RuleKind])
def test_every_alert_rule_is_explained(kind):
    assert any(f"`{kind}`" in text for text in DOCS.values())
