"""What else customers do in a real browser: receive, search, take away, lower a limit; in Hindi."""

import pytest

from tests.browser.conftest import NARROWEST, PHONE, barriers, sideways

SCRIPT = pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])


@SCRIPT
def test_money_is_received_and_confirmed_and_the_sender_sees_it(reena, rahul, open_browser, script):
    reena.send(rahul, "25.00", reference="Dinner")
    receiver = open_browser(rahul, java_script_enabled=script)
    receiver.goto("/")
    receiver.get_by_role("link", name="Is this right?").click()
    receiver.get_by_role("button", name="Yes, ₹25.00 arrived").click()
    receiver.get_by_text("Nothing more is to be done.").wait_for()

    sender = open_browser(reena, java_script_enabled=script)
    sender.goto("/")
    sender.get_by_role("link", name="To Rahul").click()
    assert sender.get_by_text("that the money arrived.").is_visible()


@SCRIPT
def test_a_limit_is_lowered_at_once(reena, rahul, open_browser, script):
    page = open_browser(reena, java_script_enabled=script)
    page.goto("/limits")
    page.get_by_role("link", name="Change the limit").click()
    page.get_by_label("New daily limit").fill("₹2,500")
    page.get_by_role("button", name="Change the limit").click()

    page.get_by_text("The new limit counts from now on.").wait_for()
    assert page.get_by_text("₹2,500.00").first.is_visible()
    assert reena.send(rahul, "2500.01").status_code == 429


@SCRIPT
def test_the_history_is_searched_and_taken_away(reena, rahul, open_browser, script):
    reena.send(rahul, "25.00", reference="Dinner")
    reena.send(rahul, "30.00", reference="Rent")
    page = open_browser(reena, java_script_enabled=script)
    page.goto("/")
    page.get_by_role("link", name="History and statements").click()
    page.get_by_text("Search", exact=True).first.click()
    page.get_by_label("Name, reference or payment number").fill("dinner")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name="Show everything").wait_for()
    assert (page.get_by_text("Dinner").count(), page.get_by_text("Rent").count()) == (1, 0)

    page.get_by_role("link", name="Statement as PDF or CSV").click()
    for button, start in (("Download PDF", b"%PDF-"), ("Download CSV", b"\xef\xbb\xbfDate,")):
        with page.expect_download() as download:
            page.get_by_role("button", name=button).click()
        assert download.value.path().read_bytes().startswith(start)


def test_a_printed_receipt_has_what_counts_and_nothing_to_click(reena, rahul, open_browser):
    sent = reena.send(rahul, "25.00", reference="Dinner").json()["id"]
    page = open_browser(reena)
    page.goto(f"/payments/{sent}")
    page.emulate_media(media="print")

    assert page.get_by_text(sent).is_visible()
    assert page.get_by_text("Questions? SmartBank").is_visible()
    for name in ("Send again", "Sign out", "Download as PDF"):
        assert not page.get_by_text(name).is_visible()


def test_hindi_has_no_barriers_and_fits_the_smallest_screen(reena, rahul, open_browser):
    sent = reena.send(rahul, "25.00", reference="रात का खाना").json()["id"]
    page = open_browser(reena, NARROWEST, locale="hi-IN")
    for path in ("/", "/send", "/limits", "/security", f"/payments/{sent}"):
        page.goto(path)
        assert page.evaluate("document.documentElement.lang") == "hi"
        assert barriers(page) == [], path
        assert sideways(page) == 0, path


def test_the_language_is_chosen_on_the_page_and_stays(reena, open_browser):
    page = open_browser(reena, PHONE)
    page.goto("/limits")
    page.get_by_role("button", name="हिन्दी").click()
    page.get_by_role("heading", name="आपकी सीमाएँ").wait_for()
    page.goto("/")
    assert page.get_by_role("heading", name="आपके खाते").is_visible()
