"""Every page in a real browser: without barriers, and never wider than a small phone."""

import pytest

from conftest import PASSWORD
from tests.browser.conftest import DESKTOP, NARROWEST, PHONE, barriers, sideways
from transfers.tests.test_reversed_pages import send_back


@pytest.fixture
def paths(reena, rahul, manager):
    """The customer's pages, with something to see on them."""
    sent = reena.send(rahul, "25.00", reference="Dinner").json()["id"]
    received = rahul.send(reena, "7.50").json()["id"]
    refused = reena.send(rahul, "6000").json()["transfer_id"]
    reversed_one = reena.send(rahul, "3.00").json()["id"]
    back = send_back(manager, reversed_one, 100).public_id
    account = reena.account.public_id
    return [
        *("/", "/send", f"/send?again={refused}", "/payees", "/limits", f"/limits/{account}"),
        *(f"/history/{account}", f"/history/{account}/statement", f"/history/{account}?amount=x"),
        *("/security", "/security?done=password", "/security/password", "/tokens/new"),
        *("/limits?done=lowered", "/limits?done=asked", "/nowhere"),
        *("/problems", "/problems/busy"),
        *(f"/payments/{one}" for one in (sent, received, refused, reversed_one, back)),
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_a_barrier(reena, paths, open_browser, scheme):
    page = open_browser(reena, DESKTOP, color_scheme=scheme)
    for path in paths:
        page.goto(path)
        assert barriers(page) == [], path


def test_no_page_has_to_be_scrolled_sideways_on_the_smallest_screen(reena, paths, open_browser):
    """320 pixels are also what a window of 1,280 is at 400 % zoom."""
    page = open_browser(reena, NARROWEST)
    for path in paths:
        page.goto(path)
        assert sideways(page) == 0, path


def test_no_page_before_signing_in_has_a_barrier_or_is_too_wide(open_browser):
    page = open_browser(None, NARROWEST)
    for path in ("/login", "/login?ended=1", "/forgotten", "/new-password"):
        page.goto(path)
        assert barriers(page) == [], path
        assert sideways(page) == 0, path


def test_the_check_and_a_refusal_have_no_barrier_and_fit(reena, rahul, open_browser):
    page = open_browser(reena, NARROWEST)
    shown = {
        ("Anita", "250"): "The name is wrong.",
        ("Rahul", "250"): "The name is right.",
        ("Rahul", "6000"): "There is a problem",
    }
    for (name, amount), words in shown.items():
        page.goto("/send")
        page.get_by_label("Account number").fill(rahul.account.number)
        page.get_by_label("Name on the account").fill(name)
        page.get_by_label("Amount").fill(amount)
        page.get_by_role("button", name="Continue").click()
        page.get_by_text(words).wait_for()
        assert barriers(page) == []
        assert sideways(page) == 0


def test_a_new_token_is_shown_without_barriers_and_fits(reena, open_browser):
    page = open_browser(reena, NARROWEST)
    page.goto("/tokens/new")
    page.get_by_label("Name").fill("Bookkeeping")
    page.get_by_label("See accounts, limits and entries").check()
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Make the token").click()
    page.get_by_role("heading", name="Your token").wait_for()
    assert barriers(page) == []
    assert sideways(page) == 0


@pytest.mark.parametrize("size", [NARROWEST, PHONE], ids=["320", "390"])
@pytest.mark.parametrize("language", ["en", "hi"])
def test_the_navigation_is_one_line_on_a_phone(reena, open_browser, size, language):
    page = open_browser(reena, size, locale=language)
    page.goto("/")
    boxes = [one.bounding_box() for one in page.locator("header nav a").all()]
    assert len({box["y"] for box in boxes}) == 1
    assert boxes[-1]["x"] + boxes[-1]["width"] <= size[0]
