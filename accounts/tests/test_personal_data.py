"""What the back office masks, shows for a reason, and changes about a customer."""

import pytest
from django.core import mail as outbox
from django.test import Client
from django.urls import reverse

from accounts import customers, mail, operations
from accounts.models import Customer
from accounts.tests.back_office import REASON, errors, fill_in, forge
from audit.models import Action, AuditLog
from conftest import PASSWORD
from office import approvals

EMAIL = "reena.shah@example.com"


@pytest.fixture
def reena(reena):
    type(reena.user).objects.filter(pk=reena.user.pk).update(email=EMAIL)
    reena.user.refresh_from_db()
    return reena


def page(person, operation):
    return reverse(f"admin:accounts_customer_{operation}", args=[person.customer.pk])


SHOWN = {"initial-name": "Reena", "initial-is_active": "True"}  # when the page was opened


def stored(person):
    customer = Customer.objects.select_related("user").get(pk=person.customer.pk)
    return customer.name, customer.user.email, customer.user.is_active


# --- Masked -----------------------------------------------------------------------------------


def test_no_page_of_the_office_shows_a_whole_account_number_or_an_address(
    chief, reena, rahul, subtests
):
    order = {"from_account_id": reena.account.public_id, "amount": "25.00"}
    by_number = order | {"to_account_number": rahul.account.number}
    sent = reena.api.post("/transfers", by_number).json()["id"]
    rahul.api.post(f"/transfers/{sent}/receipt", {"received_amount": "0"})
    not_accepted = {**by_number, "from_account_id": rahul.account.public_id}
    reena.api.post("/transfers", not_accepted)
    reena.api.post("/transfers", order | {"to_account_number": reena.account.number})
    wish = approvals.ask_for_limit(reena.account, 2_000_000, reason="r", origin=reena.origin)
    transfer, key = reena.account.sent.get(), reena.account.pk
    browser = chief.browser
    for url in (
        "/admin/",
        f"/admin/search/?q={reena.account.number[-4:]}",
        "/admin/search/?q=reena",
        *(f"/admin/accounts/{name}/" for name in ("customer", "account", "accountdailyusage")),
        page(reena, "change"),
        f"/admin/accounts/account/{key}/change/",
        f"/admin/accounts/account/{key}/freeze/",
        f"/admin/auth/user/{reena.user.pk}/change/",
        "/admin/auth/user/",
        "/admin/audit/auditlog/",
        "/admin/office/approvalrequest/",
        f"/admin/office/approvalrequest/{wish.pk}/change/",
        f"/admin/office/approvalrequest/reverse/{transfer.pk}/",
        "/admin/transfers/transfer/",
        f"/admin/transfers/transfer/{transfer.pk}/change/",
        "/admin/transfers/ledgerentry/",
        "/admin/transfers/dispute/",
        *(f"/admin/audit/auditlog/{row.pk}/change/" for row in AuditLog.objects.all()),
    ):
        with subtests.test(url):
            answer = browser.get(url)
            assert answer.status_code == 200
            for told in (reena.account.number, rahul.account.number, EMAIL):
                assert told not in answer.text
    assert reena.account.masked_number in browser.get("/admin/accounts/account/").text
    assert "r•••@•••" in browser.get(page(reena, "change")).text


def test_the_banks_own_accounts_have_nothing_to_mask(teller, reena):
    house = operations.cash_account("INR")
    assert house.number in teller.browser.get("/admin/accounts/account/").text


# --- Revealed ---------------------------------------------------------------------------------


def test_who_gives_a_reason_sees_the_data_once_and_the_log_says_who_whom_why_and_from_where(
    teller, auditor, reena, audited
):
    answer = fill_in(teller, page(reena, "reveal"), reason="Calls about a lost card")
    assert answer.status_code == 200
    assert EMAIL in answer.text
    assert reena.account.number in answer.text
    assert answer["Cache-Control"] == "no-store"
    [row] = audited(Action.DATA_REVEALED)
    assert (row.actor_id, row.ip) == (teller.user.pk, "127.0.0.1")
    assert (row.object_type, row.object_id) == ("customer", reena.customer.public_id)
    assert row.details == {"reason": "Calls about a lost card", "accounts": 1}
    again = teller.browser.get(page(reena, "reveal"))
    assert EMAIL not in again.text
    assert reena.account.number not in again.text
    history = auditor.browser.get(page(reena, "change")).text
    assert "Personal data revealed" in history
    assert "Calls about a lost card" in history


@pytest.mark.parametrize("reason", ["", "  ", "line\nbreak", "x" * 201])
def test_without_a_reason_nothing_is_revealed(reason, teller, reena, audited):
    answer = fill_in(teller, page(reena, "reveal"), reason=reason)
    assert list(errors(answer)) == ["reason"]
    assert EMAIL not in answer.text
    assert audited(Action.DATA_REVEALED) == []


def test_what_cannot_be_audited_is_not_revealed(teller, reena, monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError("no audit log today")

    monkeypatch.setattr("audit.operations.record", fail)
    answer = fill_in(teller, page(reena, "reveal"))
    assert answer.status_code == 500
    assert EMAIL not in answer.text


@pytest.mark.parametrize("operation", ["reveal", "update", "close"])
def test_nobody_does_it_to_themself(operation, manager, reena, audited):
    Customer.objects.filter(pk=reena.customer.pk).update(user=manager.user)
    assert manager.browser.get(page(reena, operation)).status_code == 403
    form = {"reason": REASON, "name": "Another"}
    assert forge(manager, page(reena, operation), **form).status_code == 403
    assert audited(Action.DATA_REVEALED) == audited(Action.CUSTOMER_CHANGED) == []
    assert page(reena, operation) not in manager.browser.get(page(reena, "change")).text


# --- Changed ----------------------------------------------------------------------------------


def test_a_customers_name_address_and_standing_are_changed_and_the_log_holds_no_personal_data(
    teller, reena, audited, settings
):
    fields = {"name": "Reena Nair", "email": "nair@example.com"}  # and may not sign in any more
    answer = fill_in(teller, page(reena, "update"), **fields, **SHOWN)
    assert (answer.status_code, answer.url) == (302, page(reena, "change"))
    assert stored(reena) == ("Reena Nair", "nair@example.com", False)
    assert not Client().login(username="reena", password=PASSWORD)
    assert reena.api.get("/me").status_code == 401
    [row] = audited(Action.CUSTOMER_CHANGED)
    assert (row.actor_id, row.object_id) == (teller.user.pk, reena.customer.public_id)
    assert row.details == {
        "reason": REASON,
        "changed": ["email", "is_active", "name"],
        "before": {"is_active": True},
        "after": {"is_active": False},
    }
    mail.wait()
    [told] = outbox.outbox
    assert told.to == [EMAIL]
    assert "nair@example.com" not in told.body


def test_what_was_not_changed_is_not_written(teller, reena, audited):
    same = {"name": reena.customer.name, "is_active": "on"}
    answer = fill_in(teller, page(reena, "update"), **same)
    assert errors(answer) == {"__all__": ["This is what is stored already: nothing was changed."]}
    fill_in(teller, page(reena, "update"), **same | {"name": "Reena Nair"})
    [row] = audited(Action.CUSTOMER_CHANGED)
    assert row.details["changed"] == ["name"]
    assert stored(reena) == ("Reena Nair", EMAIL, True)


def test_a_page_opened_long_ago_brings_nothing_back(teller, manager, reena):
    shown = teller.browser.get(page(reena, "update")).text
    assert all(f'name="{name}" value="{value}"' in shown for name, value in SHOWN.items())
    customers.change(reena.customer, name="Reena Nair", reason="r", origin=manager.origin)
    fill_in(teller, page(reena, "update"), name="Reena", **SHOWN)  # takes the right to sign in
    assert stored(reena) == ("Reena Nair", EMAIL, False)


@pytest.mark.parametrize(
    ("field", "typed"), [("name", ""), ("name", "a\u202eb"), ("email", "nobody"), ("reason", "")]
)
def test_a_wrong_field_changes_nothing(field, typed, teller, reena, audited):
    before = stored(reena)
    fields = {"name": "Other", "is_active": "on", field: typed}
    assert list(errors(fill_in(teller, page(reena, "update"), **fields))) == [field]
    assert stored(reena) == before
    assert audited(Action.CUSTOMER_CHANGED) == []


def test_how_a_customer_who_works_here_signs_in_is_not_changed_at_the_desk(teller, reena, audited):
    type(reena.user).objects.filter(pk=reena.user.pk).update(is_staff=True)
    before = stored(reena)
    works_here = {
        "__all__": ["This customer works here: how staff sign in, administrators change."]
    }
    for fields in ({}, {"is_active": "on", "email": "new@example.com"}):
        answer = fill_in(teller, page(reena, "update"), name=before[0], **fields, **SHOWN)
        assert errors(answer) == works_here
    assert stored(reena) == before
    assert audited(Action.CUSTOMER_CHANGED) == []


# --- Closed -----------------------------------------------------------------------------------


def test_a_customer_is_closed_when_all_accounts_are(teller, manager, make_customer, audited):
    leaving = make_customer("leaving", balance=0)
    open_account = {"__all__": ["An account is open: close all accounts first."]}
    assert errors(fill_in(teller, page(leaving, "close"))) == open_account
    wish = approvals.ask_to_close(leaving.account, reason="r", origin=teller.origin)
    approvals.approve(wish, answer="", origin=manager.origin)
    assert fill_in(teller, page(leaving, "close"), reason="Moves away").status_code == 302
    assert not Client().login(username="leaving", password=PASSWORD)
    [row] = audited(Action.CUSTOMER_CLOSED)
    assert row.details == {
        "reason": "Moves away",
        "before": {"is_active": True},
        "after": {"is_active": False},
    }
    again = {"__all__": ["This customer may not sign in already."]}
    assert errors(fill_in(teller, page(leaving, "close"))) == again
    assert len(audited(Action.CUSTOMER_CLOSED)) == 1


def test_an_audited_change_and_its_row_are_one_fact(teller, reena, monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError("no audit log today")

    monkeypatch.setattr("audit.operations.record", fail)
    before, rows = stored(reena), AuditLog.objects.count()
    with pytest.raises(RuntimeError):
        customers.change(reena.customer, name="Other", reason="r", origin=teller.origin)
    assert (stored(reena), AuditLog.objects.count()) == (before, rows)
