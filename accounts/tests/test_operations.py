"""What staff change: the lock, the columns, and who, why, before and after in the audit log."""

import re

import pytest
from django.contrib.auth import authenticate
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts import numbers, operations
from accounts.models import Account
from conftest import set_limit


def test_a_customer_is_opened_with_a_user_to_sign_in(teller, audited):
    customer = operations.open_customer(
        username="kiran",
        password="a long enough one",
        name="Kiran Das",
        reason="Came in person",
        origin=teller.origin,
    )
    assert authenticate(username="kiran", password="a long enough one") == customer.user
    (row,) = audited("customer.opened")
    assert (row.object_id, row.actor_id) == (customer.public_id, teller.user.pk)
    assert row.details == {
        "reason": "Came in person",
        "before": {},
        "after": {"user_id": customer.user.pk},
    }


def test_a_taken_username_opens_nothing(reena, audited, teller):
    before = len(audited("customer.opened"))
    with pytest.raises(operations.UsernameTaken):
        operations.open_customer(
            username="reena", password="a long enough one", name="Other", origin=teller.origin
        )
    assert len(audited("customer.opened")) == before


def test_an_account_is_opened_empty_and_active_with_a_number_of_the_banks(reena, teller, audited):
    account = operations.open_account(
        reena.customer,
        name="Travel",
        currency="JPY",
        daily_limit_minor=500,
        reason="Goes to Japan",
        origin=teller.origin,
    )
    assert (account.status, account.balance_minor, account.currency) == ("ACTIVE", 0, "JPY")
    assert numbers.is_valid(account.number)
    row = audited("account.opened")[-1]
    assert (row.account_id, row.actor_id) == (account.pk, teller.user.pk)
    assert row.details == {
        "reason": "Goes to Japan",
        "before": {},
        "after": {
            "customer": reena.customer.public_id,
            "currency": "JPY",
            "daily_limit_minor": 500,
            "status": "ACTIVE",
        },
    }


def test_a_number_that_is_taken_is_made_anew(reena, teller, monkeypatch):
    fresh = numbers.new()
    made = iter([reena.account.number, fresh])
    monkeypatch.setattr(numbers, "new", lambda: next(made))
    account = operations.open_account(
        reena.customer, name="Second", currency="INR", daily_limit_minor=0, origin=teller.origin
    )
    assert account.number == fresh


def test_an_unknown_currency_opens_nothing(reena, teller):
    with pytest.raises(ValueError, match="XXX"):
        operations.open_account(
            reena.customer, name="?", currency="XXX", daily_limit_minor=0, origin=teller.origin
        )
    assert reena.customer.accounts.count() == 1


def test_a_limit_change_is_audited_with_actor_reason_before_and_after(reena, manager, audited):
    set_limit(reena.account, 42, reason="Asked for it", origin=manager.origin)

    assert Account.objects.get(pk=reena.account.pk).daily_limit_minor == 42
    (row,) = audited("account.limit_changed")
    assert (row.actor_id, row.account_id, row.object_id) == (
        manager.user.pk,
        reena.account.pk,
        reena.account.public_id,
    )
    assert row.details == {
        "reason": "Asked for it",
        "before": {"daily_limit_minor": 1_000_000},
        "after": {"daily_limit_minor": 42},
    }


def test_freezing_is_audited(reena, manager, audited):
    operations.freeze(reena.account, reason="Lost phone", origin=manager.origin)
    assert Account.objects.get(pk=reena.account.pk).status == "FROZEN"
    [frozen] = audited("account.frozen")
    assert frozen.details["reason"] == "Lost phone"
    assert frozen.details["after"] == {"status": "FROZEN"}


def test_what_is_not_active_cannot_be_frozen(reena, manager, audited):
    operations.freeze(reena.account, reason="?", origin=manager.origin)
    with pytest.raises(operations.WrongStatus):
        operations.freeze(reena.account, reason="?", origin=manager.origin)
    assert len(audited("account.frozen")) == 1


@pytest.mark.row_locks
def test_a_staff_change_locks_the_account_and_writes_only_the_columns_it_names(reena, manager):
    with CaptureQueriesContext(connection) as captured:
        set_limit(reena.account, 1, reason="?", origin=manager.origin)
    statements = [query["sql"] for query in captured.captured_queries]
    assert "FOR UPDATE" in next(one for one in statements if one.startswith("SELECT"))
    (update,) = [one for one in statements if one.startswith("UPDATE")]
    columns = re.findall(r"`(\w+)` = ", update.partition(" WHERE ")[0])
    assert columns == ["daily_limit_minor", *Account.CHAIN_END]
    assert "balance" not in update


def test_the_bank_has_one_cash_account_per_currency(db):
    first = operations.cash_account("EUR")
    assert operations.cash_account("EUR") == first
    assert operations.cash_account("JPY") != first
