"""People at their browsers: headless Chromium, one context for each person."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.kit.demo import Demo

WIDTH_PX, HEIGHT_PX = 1280, 860
PATIENCE_MS = 20_000
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


@contextmanager
def chromium() -> Iterator[Browser]:
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("needs Chromium; `make test` installs it on Debian when run as root")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def signed_in(browser: Browser, demo: Demo, name: str, *, dark: bool = False) -> Iterator[Page]:
    """A page where `name` has signed in by keyboard; signs out at the end. A script error or a CSP breach fails."""
    scheme = "dark" if dark else "light"
    context = browser.new_context(
        base_url=demo.url, viewport={"width": WIDTH_PX, "height": HEIGHT_PX}, color_scheme=scheme
    )
    page = context.new_page()
    trouble: list[str] = []
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("console", lambda said: trouble.append(said.text) if "Content Security Policy" in said.text else None)
    page.goto("/")
    page.fill("[name=username]", name)
    page.fill("[name=password]", demo.password(name))
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    yield page
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Password")).to_be_visible()
    context.close()
    assert trouble == []
