"""Much cash, unfreezing and closing: asked by one, done when another approves."""

import pytest
from django.urls import reverse

from accounts import operations
from accounts.models import Account
from accounts.tests.back_office import REASON, errors, fill_in
from audit.models import Action
from office.models import ApprovalRequest


def page(name, person):
    return reverse(f"admin:office_{name}", args=[person.account.pk])


def approve(manager, **about):
    [wish] = ApprovalRequest.objects.filter(status="PENDING", **about)
    answer = fill_in(manager, reverse("admin:office_approve", args=[wish.pk]))
    assert answer.status_code == 302
    wish.refresh_from_db()
    return wish


def status_of(person):
    return Account.objects.get(pk=person.account.pk).status


@pytest.mark.parametrize(("name", "sign"), [("deposit", 1), ("withdraw_cash", -1)])
def test_cash_above_the_threshold_moves_when_a_second_person_approves_it(
    name, sign, teller, manager, make_customer, books, audited
):
    rich = make_customer("rich", balance=5_500_000)
    before = books()
    for amount in ("50000.01", "50000.01"):
        fill_in(teller, page(name, rich), amount=amount, reference="Car", key="a" * 32)
    assert books() == before
    wish = approve(manager)

    assert rich.balance() == 5_500_000 + sign * 5_000_001
    transfer = wish.result
    assert (transfer.kind, transfer.status, transfer.reference) == ("CASH", "COMPLETED", "Car")
    assert transfer.caller == manager.user
    assert wish.maker == teller.user
    row = audited(Action.TRANSFER_COMPLETED)[-1]
    assert row.details["approval"] == wish.public_id
    assert row.details["reason"] == REASON


@pytest.mark.parametrize(
    ("hours", "problem"),
    [
        (0, "approved and done"),
        (100, "expired"),
    ],
)
def test_a_cash_page_sent_again_after_the_end_asks_nothing_and_says_so(
    hours, problem, teller, manager, make_customer, books, clock
):
    rich = make_customer("rich", balance=5_500_000)
    wish = {"amount": "50000.01", "reference": "Car", "key": "a" * 32}
    fill_in(teller, page("deposit", rich), **wish)
    if hours:
        clock(hours * 3600)
    else:
        approve(manager)
    before = books()
    again = fill_in(teller, page("deposit", rich), **wish)
    said = f"This page was sent before; {problem}. Open it anew to ask again."
    assert errors(again) == {"__all__": [said]}
    assert (books(), ApprovalRequest.objects.count()) == (before, 1)


def test_cash_up_to_the_threshold_needs_nobody_else(teller, reena):
    fill_in(teller, page("deposit", reena), amount="50000.00")
    assert reena.balance() == 5_500_000
    assert not ApprovalRequest.objects.exists()


def test_the_threshold_is_a_setting(teller, reena, settings):
    settings.APPROVAL_THRESHOLD = 0
    fill_in(teller, page("deposit", reena), amount="0.01")
    assert reena.balance() == 500_000
    assert ApprovalRequest.objects.get().amount_minor == 1


def test_cash_that_is_gone_when_it_is_approved_is_not_paid_out(
    teller, manager, make_customer, rahul
):
    rich = make_customer("rich", balance=6_000_000, limit=10_000_000)
    fill_in(teller, page("withdraw_cash", rich), amount="55000")
    rich.send(rahul, "10000")
    wish = approve(manager)
    assert (wish.status, wish.answer) == ("FAILED", "Refused: only ₹50,000.00 is available.")
    assert wish.result.status == "REJECTED"
    assert rich.balance() == 5_000_000


def test_a_frozen_account_is_unfrozen_by_two(teller, manager, reena, rahul, audited):
    assert errors(fill_in(teller, page("unfreeze", reena))) == {
        "__all__": ["The account is not frozen."]
    }
    operations.freeze(reena.account, reason="r", origin=teller.origin)
    fill_in(teller, page("unfreeze", reena), reason="Card found")
    assert status_of(reena) == "FROZEN"
    wish = approve(manager)
    assert status_of(reena) == "ACTIVE"
    assert reena.send(rahul, "1").status_code == 201
    [row] = audited(Action.ACCOUNT_UNFROZEN)
    assert row.actor_id == manager.user.pk
    assert row.details == {
        "reason": "Card found",
        "approval": wish.public_id,
        "before": {"status": "FROZEN"},
        "after": {"status": "ACTIVE"},
    }


def test_an_empty_account_is_closed_by_two_for_good(teller, manager, make_customer, reena, audited):
    empty = make_customer("empty", balance=0)
    fill_in(teller, page("close", empty), reason="Moves away")
    assert status_of(empty) == "ACTIVE"
    approve(manager)
    assert status_of(empty) == "CLOSED"
    assert reena.send(empty, "1").json()["code"] == "account_not_active"
    assert len(audited(Action.ACCOUNT_CLOSED)) == 1
    for name, problem in (
        ("close", "The account is closed already."),
        ("unfreeze", "The account is not frozen."),
        ("limit", "The account is closed."),
    ):
        typed = {"daily_limit": "90000"} if name == "limit" else {}
        assert errors(fill_in(teller, page(name, empty), **typed)) == {"__all__": [problem]}


def test_an_account_that_holds_money_is_not_closed(teller, manager, make_customer, reena):
    full = {"__all__": ["The account still holds ₹5,000.00: pay it out first."]}
    assert errors(fill_in(teller, page("close", reena))) == full
    empty = make_customer("empty", balance=0)
    fill_in(teller, page("close", empty))
    reena.send(empty, "1.00")
    wish = approve(manager)
    assert (wish.status, wish.answer) == (
        "FAILED",
        "The account still holds ₹1.00: pay it out first.",
    )
    assert status_of(empty) == "ACTIVE"
