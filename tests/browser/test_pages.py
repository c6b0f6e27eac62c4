"""Every page in a real browser: without barriers, and never wider than a small phone."""

import pytest

from tests.browser.conftest import DESKTOP, NARROWEST, barriers, sideways


@pytest.fixture
def paths(reena, rahul):
    """The customer's pages, with something to see on them."""
    sent = reena.send(rahul, "25.00", reference="Dinner").json()["id"]
    received = rahul.send(reena, "7.50").json()["id"]
    refused = reena.send(rahul, "6000").json()["transfer_id"]
    history = f"/history/{reena.account.public_id}"
    return [
        "/",
        "/send",
        "/payees",
        history,
        f"{history}/statement",
        *(f"/payments/{one}" for one in (sent, received, refused)),
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
