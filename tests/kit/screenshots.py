"""The README's pictures, taken from a running demo on made-up cells: `python -m tests.kit.screenshots`."""

import re
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests.kit.browser import chromium, signed_in
from tests.kit.demo import Demo
from tests.kit.programs import PROJECT_ROOT

IMAGES = PROJECT_ROOT / "docs" / "images"
ROLLED_OUT_MS = 300_000
DATA_S = 90.0
"""So that charts have more than one point: a device sums up a minute."""
CHART_MS = 20_000


def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="screenshots-") as folder:
        demo = Demo(Path(folder), good=510, cracked=90)
        try:
            demo.wait_for("sign in auditor")
            demo.listen_no_more()
            with chromium() as browser:
                _wait_for_data(browser, demo)
                _take_all(browser, demo)
        finally:
            demo.close()


def _wait_for_data(browser: Browser, demo: Demo) -> None:
    with signed_in(browser, demo, "admin") as page:
        page.goto("/rollouts/")
        expect(page.locator("#rollouts")).to_contain_text("Completed", timeout=ROLLED_OUT_MS)
        time.sleep(DATA_S)


def _take_all(browser: Browser, demo: Demo) -> None:
    with signed_in(browser, demo, "admin") as page:
        _overview(page, "overview")
        page.get_by_role("link", name=re.compile("Line A1")).first.click()
        expect(page.locator(".chart .main-svg")).not_to_have_count(0, timeout=CHART_MS)
        _take(page, "device")
        page.goto("/rollouts/1/")
        _take(page, "rollout")
        page.goto("/models/")
        page.get_by_role("link", name="cells 1", exact=True).first.click()
        _take(page, "models")
    with signed_in(browser, demo, "admin", dark=True) as page:
        _overview(page, "overview-dark")
    with signed_in(browser, demo, "reviewer") as page:
        page.goto("/review/")
        expect(page.locator("#picture")).to_be_visible()
        _take(page, "review")


def _overview(page: Page, name: str) -> None:
    page.goto("/")
    expect(page.get_by_role("row", name=re.compile("Line B1"))).to_contain_text("cells 1")
    _take(page, name)


def _take(page: Page, name: str) -> None:
    """What a person sees without scrolling, once pictures and charts stand still."""
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(1500)
    page.screenshot(path=IMAGES / f"{name}.png", animations="disabled", caret="hide")
    sys.stdout.write(f"{IMAGES / name}.png\n")


if __name__ == "__main__":
    main()
