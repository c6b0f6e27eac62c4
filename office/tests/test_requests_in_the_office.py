"""Requests in the back office: asked on one page, decided by another person on the next."""

import datetime as dt

import pytest
from django.urls import reverse

from accounts import operations
from accounts.models import Account
from accounts.tests.back_office import REASON, errors, fill_in, forge
from audit.models import Action
from conftest import set_limit
from office import approvals
from office.models import ApprovalRequest

UNREADABLE = ["", "   ", "x" * 201, "a\u202eb", "line\nbreak"]
INBOX = "/admin/office/approvalrequest/"


def limit_page(person):
    return reverse("admin:office_limit", args=[person.account.pk])


def page_of(request, what):
    return reverse(f"admin:office_{what}", args=[request.pk])


def limit_of(person):
    return Account.objects.get(pk=person.account.pk).daily_limit_minor


# --- Daily limit ------------------------------------------------------------------------------


def test_a_lower_limit_holds_at_once(manager, reena, audited, books):
    before = books()

    answer = fill_in(manager, limit_page(reena), daily_limit="123.45", reason="Asked for it")

    assert (answer.status_code, answer.url) == (
        302,
        reverse("admin:accounts_account_change", args=[reena.account.pk]),
    )
    assert Account.objects.get(pk=reena.account.pk).daily_limit_minor == 12_345
    [row] = audited(Action.LIMIT_CHANGED)
    assert row.actor_id == manager.user.pk
    assert row.account_id == reena.account.pk
    assert (row.object_type, row.object_id) == ("account", reena.account.public_id)
    assert row.request_id == answer.headers["X-Request-ID"]
    assert row.ip == "127.0.0.1"
    assert row.details == {
        "reason": "Asked for it",
        "before": {"daily_limit_minor": 1_000_000},
        "after": {"daily_limit_minor": 12_345},
    }
    assert books() == before


def test_a_limit_changed_while_a_transfer_runs_keeps_the_new_balance(
    manager, reena, rahul, monkeypatch
):
    """The transfer comes after the view has read the account and before the limit is written."""
    change = operations.lower_daily_limit

    def transfer_first(*args, **kwargs):
        assert reena.send(rahul, "25.00").status_code == 201
        change(*args, **kwargs)

    monkeypatch.setattr(operations, "lower_daily_limit", transfer_first)
    fill_in(manager, limit_page(reena), daily_limit="50", reason="r")

    account = Account.objects.get(pk=reena.account.pk)
    assert (account.balance_minor, account.daily_limit_minor) == (497_500, 5_000)
    assert rahul.balance() == 302_500


def test_nobody_alone_raises_a_limit_that_its_owner_lowers_meanwhile(
    teller, reena, monkeypatch, audited
):
    lower = operations.lower_daily_limit

    def after_the_owner(account, limit_minor, **why):
        lower(account, 10_000, reason="Lowered by owner", origin=reena.origin)
        lower(account, limit_minor, **why)

    monkeypatch.setattr(operations, "lower_daily_limit", after_the_owner)
    page = fill_in(teller, limit_page(reena), daily_limit="500", reason="r")
    assert errors(page) == {"__all__": ["The daily limit is ₹100.00: this would not lower it."]}
    assert limit_of(reena) == 10_000
    assert len(audited(Action.LIMIT_CHANGED)) == 1


def test_a_limit_may_be_zero(manager, reena):
    fill_in(manager, limit_page(reena), daily_limit="0", reason="Travelling")
    assert Account.objects.get(pk=reena.account.pk).daily_limit_minor == 0


@pytest.mark.parametrize("typed", ["", "-1", "1e3", "1,000", "1.234", "１２", "NaN", "9" * 20])
def test_a_limit_that_is_no_amount_changes_nothing(manager, reena, audited, typed):
    page = fill_in(manager, limit_page(reena), daily_limit=typed, reason="Asked")
    assert page.status_code == 200
    assert list(errors(page)) == ["daily_limit"]
    assert Account.objects.get(pk=reena.account.pk).daily_limit_minor == 1_000_000
    assert audited(Action.LIMIT_CHANGED) == []


@pytest.mark.parametrize("reason", UNREADABLE)
def test_a_change_needs_a_reason_that_can_be_read(manager, reena, reason):
    page = fill_in(manager, limit_page(reena), daily_limit="50000", reason=reason)
    assert list(errors(page)) == ["reason"]
    assert not ApprovalRequest.objects.exists()


def test_an_error_is_in_the_title_and_what_was_typed_stays(manager, reena):
    page = fill_in(manager, limit_page(reena), daily_limit="abc", reason="Why")
    assert "<title>Error: Change daily limit" in page.text
    assert 'value="abc"' in page.text
    assert 'value="Why"' in page.text


# --- From the request to its decision ---------------------------------------------------------


@pytest.fixture
def wish(teller, reena):
    return approvals.ask_for_limit(
        reena.account, 2_000_000, reason="Buys a car", origin=teller.origin
    )


def test_a_raise_waits_for_a_second_person_who_approves_it(teller, manager, reena, audited):
    answer = fill_in(teller, limit_page(reena), daily_limit="20000", reason="Buys a car")

    assert answer.status_code == 302
    assert limit_of(reena) == 1_000_000
    [wish] = ApprovalRequest.objects.all()
    for address in (answer.url, INBOX):
        assert "Buys a car" in manager.browser.get(address).text

    answer = fill_in(manager, page_of(wish, "approve"))
    assert (answer.status_code, answer.url) == (302, page_of(wish, "approvalrequest_change"))
    assert limit_of(reena) == 2_000_000
    [row] = audited(Action.LIMIT_CHANGED)
    assert row.actor_id == manager.user.pk
    assert row.request_id == answer.headers["X-Request-ID"]
    page = manager.browser.get(answer.url).text
    assert "Approved and done" in page
    assert "Buys a car" not in manager.browser.get(INBOX).text


def test_a_page_sent_twice_asks_once(teller, reena):
    for _ in range(2):
        assert fill_in(teller, limit_page(reena), daily_limit="20000").status_code == 302
    page = fill_in(teller, limit_page(reena), daily_limit="30000")
    assert errors(page) == {"__all__": ["Such a request is waiting for its decision already."]}
    assert ApprovalRequest.objects.get().amount_minor == 2_000_000


def test_the_makers_page_offers_no_decision_and_a_forged_one_is_refused(manager, reena):
    wish = approvals.ask_for_limit(reena.account, 2_000_000, reason="r", origin=manager.origin)
    page = manager.browser.get(page_of(wish, "approvalrequest_change")).text
    assert page_of(wish, "withdraw") in page
    for decision in ("approve", "refuse"):
        assert page_of(wish, decision) not in page
        assert manager.browser.get(page_of(wish, decision)).status_code == 403
        assert forge(manager, page_of(wish, decision), reason="Mine").status_code == 403
    assert limit_of(reena) == 1_000_000
    assert ApprovalRequest.objects.get().status == "PENDING"


def test_a_manager_refuses_with_a_reason(manager, wish, reena):
    page = fill_in(manager, page_of(wish, "refuse"), reason="")
    assert list(errors(page)) == ["reason"]
    fill_in(manager, page_of(wish, "refuse"), reason="No income")
    wish.refresh_from_db()
    assert (wish.status, wish.checker, wish.answer) == ("REFUSED", manager.user, "No income")
    assert limit_of(reena) == 1_000_000


def test_who_asked_takes_it_back_and_nobody_else_can(teller, manager, wish):
    assert forge(manager, page_of(wish, "withdraw"), reason=REASON).status_code == 403
    assert fill_in(teller, page_of(wish, "withdraw")).status_code == 302
    wish.refresh_from_db()
    assert (wish.status, wish.checker) == ("WITHDRAWN", None)


def test_what_became_impossible_says_so(manager, wish, reena, teller):
    set_limit(reena.account, 3_000_000, reason="r", origin=teller.origin)
    answer = fill_in(manager, page_of(wish, "approve"))
    page = manager.browser.get(answer.url).text
    assert "Approved, but not possible" in page
    assert "The daily limit is ₹30,000.00: this would not raise it." in page
    assert limit_of(reena) == 3_000_000


def test_the_inbox_is_filtered_by_status_kind_and_day_and_finds_people(
    manager, teller, wish, reena, rahul
):
    other = approvals.ask_for_limit(rahul.account, 2_000_000, reason="r", origin=rahul.origin)
    approvals.refuse(other, answer="No", origin=manager.origin)
    ApprovalRequest.objects.filter(pk=other.pk).update(made_at=other.made_at - dt.timedelta(days=3))

    def found(**query):
        page = manager.browser.get(INBOX, query)
        assert page.status_code == 200
        return set(page.context["cl"].result_list)

    assert found() == {wish}
    assert found(status="REFUSED") == {other}
    assert found(status="all") == {wish, other}
    assert found(status="all", period="today") == {wish}
    assert found(status="all", kind__exact="RAISE_LIMIT") == {wish, other}
    assert found(status="all", q="teller") == {wish}
    assert found(status="all", q="rahul") == {other}
    assert found(status="all", q=rahul.account.number) == {other}
    assert found(status="all", q=wish.public_id) == {wish}
