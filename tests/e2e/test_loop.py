"""The whole circle as people see it: a stranger starts the demo, and every persona does their part in a browser."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.kit.browser import chromium, signed_in
from tests.kit.demo import Demo, eventually

pytestmark = pytest.mark.story

TRAINED_MS = 120_000
ROLLED_OUT_MS = 180_000


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    running = Demo(tmp_path_factory.mktemp("demo"))
    running.wait_for("The site is up")
    running.wait_for("sign in auditor")
    running.listen_no_more()
    yield running
    assert running.close(), "a program of the demo outlived Ctrl-C"


@pytest.fixture(scope="module")
def browser():
    with chromium() as program:
        yield program


def tile(page: Page, state: str):
    return page.locator(f"#tile-{state} b")


def not_reloaded(page: Page) -> bool:
    return page.evaluate("window.sameDocument === true")


def test_the_manager_watches_the_factory_come_to_life_without_a_reload(demo, browser):
    with signed_in(browser, demo, "manager") as page:
        page.evaluate("window.sameDocument = true")
        expect(page.get_by_text("Your first model is on its way")).to_be_visible()
        expect(page.get_by_text("Has no model and can judge nothing").first).to_be_visible(timeout=TRAINED_MS)
        expect(tile(page, "updating")).not_to_have_text("0", timeout=TRAINED_MS)
        expect(page.get_by_role("row", name=re.compile("Line B1")).get_by_text("cells 1")).to_be_visible(
            timeout=ROLLED_OUT_MS
        )
        expect(page.get_by_text("Your first model is on its way")).to_have_count(0, timeout=ROLLED_OUT_MS)
        assert not_reloaded(page)


def test_the_lead_trains_a_second_version_and_watches_it_learn(demo, browser):
    with signed_in(browser, demo, "lead") as page:
        page.goto("/models/runs/new/")
        page.check("[name=recipe][value=small_cnn]")
        page.fill("[name=name]", "cells")
        page.fill("[name=seed]", "8")
        page.get_by_role("button", name="Start training").click()
        page.evaluate("window.sameDocument = true")
        expect(page.get_by_text("It gave cells 2")).to_be_visible(timeout=TRAINED_MS)
        assert not_reloaded(page)
        page.get_by_role("link", name="cells 2").click()
        expect(page.get_by_text("Validated")).to_be_visible()
        expect(page.get_by_role("button", name=re.compile("^Approve"))).to_be_disabled()


def test_the_approver_signs_the_version(demo, browser):
    with signed_in(browser, demo, "approver") as page:
        page.goto("/models/")
        page.get_by_role("link", name="cells 2").first.click()
        page.get_by_label("Your password").fill(demo.password("approver"))
        page.get_by_role("button", name=re.compile("^Approve")).click()
        expect(page.get_by_text("Published").first).to_be_visible()


def test_the_admin_plans_a_rollout_but_cannot_approve_it(demo, browser):
    with signed_in(browser, demo, "admin") as page:
        page.goto("/rollouts/")
        first = page.get_by_role("row", name=re.compile("First model"))
        expect(first).to_contain_text("Completed", timeout=ROLLED_OUT_MS)
        page.goto("/rollouts/new/")
        page.fill("[name=name]", "Second model")
        page.select_option("[name=version]", index=0)
        for box in page.locator("[name=device_ids]").all():
            box.check()
        plan = {"shares": "30, 100", "soak_s": "3", "min_items": "10", "probation_items": "5"}
        # Three devices, the whole cloud and a browser share two cores here.
        plan |= {"max_late_ratio": "100"}
        for name, value in plan.items():
            page.fill(f"[name={name}]", value)
        page.get_by_role("button", name="Preview stages").click()
        expect(page.locator("#preview li")).to_have_count(2)
        page.get_by_role("button", name="Save draft").click()
        page.get_by_role("button", name="Submit for approval").click()
        expect(page.get_by_role("button", name="Approve", exact=True)).to_be_disabled()
        expect(page.locator("#why-not-approve")).to_be_visible()


def test_the_approver_approves_and_sees_it_finish_stage_by_stage(demo, browser):
    with signed_in(browser, demo, "approver") as page:
        expect(page.get_by_text("Second model").first).to_be_visible()
        page.goto("/rollouts/")
        page.get_by_role("link", name="Second model").click()
        page.get_by_label("Comment").fill("Same gate figures as version 1.")
        if page.get_by_label("Your password").count():
            page.get_by_label("Your password").fill(demo.password("approver"))
        page.get_by_role("button", name="Approve", exact=True).click()
        page.evaluate("window.sameDocument = true")
        expect(page.locator("#stage-1")).to_contain_text("Passed", timeout=ROLLED_OUT_MS)
        expect(page.locator("#sentence")).to_contain_text("3 of 3", timeout=ROLLED_OUT_MS)
        expect(page.locator("#rollout")).to_contain_text("Completed")
        assert not_reloaded(page)
        page.goto("/")
        for line in ("Line A1", "Line A2", "Line B1"):
            expect(page.get_by_role("row", name=re.compile(line))).to_contain_text("cells 2")


def test_the_reviewer_judges_three_images_by_keyboard_and_takes_one_back(demo, browser):
    with signed_in(browser, demo, "reviewer") as page:
        page.goto("/review/")
        seen = []
        for done, key in enumerate(["a", "d", "x"], start=1):
            expect(page.locator("#picture")).to_be_visible()
            seen.append(page.locator("#item").inner_text())
            page.keyboard.press(key)
            expect(page.locator("#today")).to_have_text(str(done))
        assert len(set(seen)) == 3
        page.keyboard.press("z")
        expect(page.locator("#today")).to_have_text("2")
        expect(page.locator("#item")).to_have_text(seen[-1])


def test_a_silent_device_turns_unknown_raises_an_alert_and_is_heard_again(demo, browser):
    with signed_in(browser, demo, "manager") as page:
        with demo.stopped("edge_agent", "north-a1"):
            expect(tile(page, "unknown")).to_have_text("1", timeout=60_000)
            # Its last figures stay, but marked: never shown as if they were now.
            expect(page.locator("tr.stale")).to_contain_text("Silent for")
            page.goto("/alerts/")
            expect(page.locator("#alerts").get_by_role("row", name=re.compile("north-a1"))).to_be_visible(
                timeout=60_000
            )
        expect(page.locator("#alerts").get_by_role("row", name=re.compile("north-a1"))).to_have_count(0, timeout=60_000)


def test_devices_inspect_without_the_gateway_and_the_ledger_closes_afterwards(demo, browser):
    with demo.stopped("uvicorn", "hybridai.gateway_asgi"), signed_in(browser, demo, "manager") as page:
        expect(tile(page, "unknown")).to_have_text("3", timeout=60_000)
    assert eventually(lambda: "complete" in demo.manage("ledger").stdout, 60)
    ledger = demo.manage("ledger")
    assert ledger.returncode == 0, ledger.stdout


def test_the_auditor_finds_every_act_and_an_unbroken_chain(demo, browser):
    with signed_in(browser, demo, "auditor") as page:
        page.goto("/settings/audit/")
        expect(page.get_by_role("table")).to_contain_text("rollout")
        assert page.goto("/rollouts/new/").status == 403
        page.goto("/")
    assert "chain unbroken" in demo.manage("audit_verify").stdout
