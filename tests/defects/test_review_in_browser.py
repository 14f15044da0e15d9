"""The review page in a real browser: keys, a link that drops, undo."""

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import expect, sync_playwright

from apps.accounts.rights import Role
from apps.core import files
from apps.defects.models import Review
from tests.factories.datasets import png
from tests.factories.defects import FlagFactory
from tests.factories.rollouts import PersonFactory, PublishedVersionFactory

CHROMIUM = "/usr/bin/chromium"
pytestmark = [pytest.mark.story, pytest.mark.django_db(transaction=True)]


@pytest.fixture(scope="module")
def browser():
    # The driver keeps an event loop in this thread; the tests ask the database from it all the same.
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield browser
        browser.close()


@pytest.fixture
def page(browser, live_server):
    """The review page of a signed-in reviewer with eight images, as the browser shows it."""
    version = PublishedVersionFactory()
    for n in range(8):
        FlagFactory(sha256=files.store(png(900 + n)), model_digest=version.digest, label="crack", rank=1 - n / 10)
    client = Client()
    client.force_login(PersonFactory(role=Role.REVIEWER))
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    name = settings.SESSION_COOKIE_NAME
    context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": live_server.url}])
    page = context.new_page()
    page.faults = []
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.goto(f"{live_server.url}/review/")
    expect(page.locator("#picture")).to_be_visible()
    yield page
    faults = page.faults
    context.close()
    assert faults == []


def answers() -> list[tuple[str, str]]:
    return list(Review.objects.filter(undone_at=None).order_by("id").values_list("answer", "label"))


def wait_until(page, claim: str) -> None:
    """The page's own policy forbids the driver's way of waiting, which evaluates text in the page."""
    for _ in range(200):
        if page.evaluate(claim):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never came true: {claim}")


def wait_sent(page) -> None:
    wait_until(page, "() => !Object.keys(localStorage).some(k => k.includes('outbox') && localStorage[k] !== '[]')")


def test_one_key_is_one_verdict(page):
    for key in "ad2ux":
        shown = page.locator("#item").text_content()
        page.keyboard.press(key)
        expect(page.locator("#item")).not_to_have_text(shown)
    wait_sent(page)
    assert answers() == [
        ("good", "good"),
        ("defect", "crack"),
        ("defect", "dark"),
        ("unsure", ""),
        ("cannot_judge", ""),
    ]


def test_verdicts_wait_in_the_browser_while_the_link_is_down(page):
    wait_until(
        page, "() => performance.getEntriesByType('resource').filter(r => r.name.includes('/image/')).length >= 6"
    )
    page.context.set_offline(True)
    for _ in range(3):
        shown = page.locator("#item").text_content()
        page.keyboard.press("a")
        expect(page.locator("#item")).not_to_have_text(shown)
    expect(page.locator("#link")).to_contain_text("3 verdicts wait in this browser")
    assert answers() == []

    page.context.set_offline(False)
    wait_sent(page)
    assert answers() == [("good", "good")] * 3


def test_undo_brings_the_image_back(page):
    shown = page.locator("#item").text_content()
    page.keyboard.press("a")
    wait_sent(page)
    page.keyboard.press("z")
    expect(page.locator("#item")).to_have_text(shown)
    assert answers() == []


def test_moving_and_zooming_decide_nothing(page):
    shown = page.locator("#item").text_content()
    width = page.locator("#picture").bounding_box()["width"]
    page.keyboard.press("j")
    expect(page.locator("#item")).not_to_have_text(shown)
    page.keyboard.press("k")
    expect(page.locator("#item")).to_have_text(shown)
    page.keyboard.press("+")
    wait_until(page, f"() => document.getElementById('picture').getBoundingClientRect().width > {width}")
    page.keyboard.press("n")
    page.keyboard.type("ad")
    expect(page.locator("#note")).to_have_value("ad")
    assert answers() == []


def test_the_queue_can_be_emptied(page):
    for left in range(8):
        expect(page.locator("#picture")).to_be_visible()
        page.keyboard.press("a")
        if left < 7:
            wait_sent(page)
    expect(page.locator("#nothing")).to_be_visible()
    wait_sent(page)
    assert len(answers()) == 8
