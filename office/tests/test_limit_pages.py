"""The customer's limits: shown as the API has them, lowered at once, raised by the bank alone."""

import pytest

from accounts import operations
from accounts.models import Account
from accounts.tests.browsing import Page, submit, visit
from conftest import PASSWORD, set_limit
from office import approvals
from office.models import ApprovalRequest


def change(browser, person, limit, password=""):
    path = f"/limits/{person.account.public_id}"
    return submit(browser, path, visit(browser, path), limit=limit, password=password)


def limit_of(person) -> int:
    return type(person.account).objects.get(pk=person.account.pk).daily_limit_minor


def test_the_page_has_the_numbers_of_the_api(reena, rahul):
    reena.send(rahul, "1250.50")
    body = reena.api.get(f"/accounts/{reena.account.public_id}/limits").json()

    text = visit(reena.browser, "/limits").text

    assert (body["used"], body["remaining"]) == ("1250.50", "8749.50")
    assert "Daily limit ₹10,000.00 Sent today ₹1,250.50 Left today ₹8,749.50 Starts anew" in text


def test_a_lower_limit_counts_at_once_and_needs_no_password(reena, rahul, audited):
    browser = reena.browser

    assert change(browser, reena, "₹2,500")["Location"] == "/limits?done=lowered"

    assert limit_of(reena) == 250_000
    assert reena.send(rahul, "2500.01").status_code == 429
    [row] = audited("account.limit_changed")
    assert (row.actor_id, row.details["reason"]) == (reena.user.pk, "Lowered by owner")
    assert "The new limit counts from now on." in visit(browser, "/limits?done=lowered").text


def test_a_higher_limit_waits_for_the_bank(reena, manager):
    browser = reena.browser

    assert change(browser, reena, "20000", PASSWORD)["Location"] == "/limits?done=asked"

    assert limit_of(reena) == 1_000_000
    request = ApprovalRequest.objects.get()
    assert (request.amount_minor, request.maker_id) == (2_000_000, reena.user.pk)
    assert "a limit of ₹20,000.00, asked for on" in visit(browser, "/limits").text
    approvals.approve(request, answer="Fine", origin=manager.origin)
    assert limit_of(reena) == 2_000_000


@pytest.mark.parametrize("password", ["", "open sesame"])
def test_a_higher_limit_is_not_asked_for_without_the_password(reena, password, audited):
    page = Page(change(reena.browser, reena, "20000", password))

    assert page.status == 403
    assert page.problems == ["Type your password to ask for a higher limit."]
    assert page.fields["limit"] == "20000"
    assert ApprovalRequest.objects.count() == 0
    assert len(audited("sign_in.failed")) == 1


def test_guessing_the_password_here_is_counted_as_at_the_door(reena, settings):
    settings.SIGN_IN_FAILURES = 2
    browser = reena.browser
    for _ in range(2):
        change(browser, reena, "20000", "open sesame")

    page = Page(change(browser, reena, "20000", PASSWORD))

    assert (page.status, page.problems) == (429, ["Too many attempts. Try again in 15 minutes."])


def test_one_wish_waits_at_a_time(reena):
    browser = reena.browser
    change(browser, reena, "20000", PASSWORD)
    assert change(browser, reena, "20000", PASSWORD).status_code == 302

    page = Page(change(browser, reena, "30000", PASSWORD))

    assert (page.status, page.problems) == (
        409,
        ["You have asked for a higher limit already. We answer soon."],
    )
    assert ApprovalRequest.objects.count() == 1


def test_who_cannot_ask_is_told_why(reena):
    Account.objects.filter(pk=reena.account.pk).update(status="CLOSED")
    page = Page(change(reena.browser, reena, "20000", PASSWORD))
    assert (page.status, page.problems) == (
        409,
        ["Status: closed. No money can come in or go out."],
    )
    assert not ApprovalRequest.objects.exists()


def test_a_limit_that_the_bank_lowered_meanwhile_is_not_raised_by_lowering(
    reena, teller, monkeypatch
):
    """The page showed 10,000.00; the bank made it 100.00; the owner asks for 5,000.00."""
    lower = operations.lower_daily_limit

    def after_the_bank(account, minor, **how):
        set_limit(account, 10_000, reason="Fraud", origin=teller.origin)
        lower(account, minor, **how)

    monkeypatch.setattr(operations, "lower_daily_limit", after_the_bank)

    page = Page(change(reena.browser, reena, "5000"))

    assert page.status == 409
    assert limit_of(reena) == 10_000


@pytest.mark.parametrize(
    ("limit", "problem"),
    [
        ("", "Type the limit that you want."),
        ("10,000", "This is the limit that you have already."),
        ("-1", "Write the amount in digits, such as 25 or 25.00."),
        ("1.001", "INR has 2 decimals."),
    ],
)
def test_what_is_no_new_limit_is_explained(reena, limit, problem):
    page = Page(change(reena.browser, reena, limit))
    assert (page.status, page.problems) == (400, [problem])
    assert limit_of(reena) == 1_000_000


def test_zero_stops_all_sending(reena, rahul):
    change(reena.browser, reena, "0")
    assert reena.send(rahul, "0.01").status_code == 429


def test_the_limit_of_another_customer_does_not_exist(reena, anita):
    browser = anita.browser
    assert browser.get(f"/limits/{reena.account.public_id}").status_code == 404
    path = f"/limits/{reena.account.public_id}"
    assert submit(browser, path, visit(browser, "/limits"), limit="1").status_code == 404
    assert limit_of(reena) == 1_000_000
