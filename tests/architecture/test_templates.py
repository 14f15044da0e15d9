"""Pages hold no script: the content security policy would refuse it, and a reader would not find it."""

import re

import pytest

from tests.architecture.source import ROOT

TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
FORBIDDEN = {
    "an inline script": re.compile(r"<script(?![^>]*\bsrc=)", re.I),
    "an event attribute": re.compile(r"\son[a-z]+\s*=", re.I),
    "a javascript: address": re.compile(r"javascript:", re.I),
    "an htmx handler or expression": re.compile(r"hx-on|hx-vals=.js:|hx-trigger=\"[^\"]*\["),
    "a style element": re.compile(r"<style", re.I),
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_template_has(what):
    found = [str(file.relative_to(ROOT)) for file in TEMPLATES if FORBIDDEN[what].search(file.read_text())]
    assert TEMPLATES
    assert not found
