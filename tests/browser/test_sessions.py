"""The end of a session in a real browser: told before it comes, put off with a key, and harmless.

The browser's clock is turned by the test; the bank's knows what the session's row says.
"""

import pytest
from django.utils import timezone

from accounts.models import BrowserSession
from accounts.sessions import SEEN_AT, SessionStore
from conftest import PASSWORD
from tests.browser.conftest import NARROWEST, barriers, sideways
from transfers.models import Transfer


@pytest.fixture
def silent(reena):
    """Return a function after which Reena's sessions had no sign of her for so many seconds."""

    def go_back(seconds):
        for row in BrowserSession.objects.filter(user=reena.user):
            session = SessionStore(row.session_key)
            session[SEEN_AT] = int(timezone.now().timestamp()) - seconds
            session.save()

    return go_back


@pytest.fixture
def page(reena, open_browser, silent):
    """The form in which Reena has begun a payment, on a phone, fourteen minutes ago."""
    page = open_browser(reena, NARROWEST)
    page.clock.install()
    page.goto("/send")
    page.get_by_label("Account number").fill("1234")
    page.get_by_label("Amount").fill("250")
    silent(840)
    page.clock.fast_forward(840_000)
    page.get_by_role("alertdialog").wait_for()
    return page


def signed_out(page) -> bool:
    return page.evaluate("fetch('/session').then(answer => answer.json())")["seconds_left"] == 0


def test_one_key_keeps_the_customer_signed_in_with_everything_still_filled_in(page):
    assert page.get_by_role("alertdialog").get_by_text("less than two minutes").is_visible()
    assert barriers(page) == []
    assert sideways(page) == 0

    page.keyboard.press("Enter")  # the button has the focus

    page.get_by_role("alertdialog").wait_for(state="hidden")
    assert page.get_by_label("Amount").input_value() == "250"
    assert page.evaluate("document.activeElement.name") == "amount"
    page.clock.fast_forward(600_000)
    assert not page.get_by_role("alertdialog").is_visible()
    assert not signed_out(page)


def test_the_escape_key_is_a_sign_as_well(page):
    with page.expect_response("**/session") as answer:
        page.keyboard.press("Escape")
    assert answer.value.json()["seconds_left"] > 120
    assert not page.get_by_role("alertdialog").is_visible()


def test_without_a_sign_the_page_goes_and_what_was_filled_in_comes_back(page, silent):
    silent(901)
    page.clock.fast_forward(60_000)

    page.get_by_text("You were signed out because").wait_for()
    page.get_by_label("Username").fill("reena")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Send money").wait_for()

    assert page.get_by_label("Amount").input_value() == "250"
    assert page.get_by_label("Account number").input_value() == "1234"
    assert not Transfer.objects.filter(kind=Transfer.Kind.PAYMENT).exists()


def test_a_sign_in_another_window_keeps_this_one(page, silent):
    silent(0)
    page.clock.fast_forward(60_000)
    page.get_by_role("alertdialog").wait_for(state="hidden")
    assert page.get_by_label("Amount").input_value() == "250"
