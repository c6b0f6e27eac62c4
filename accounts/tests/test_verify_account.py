"""The back office verifies the audit log of one account."""

import pytest
from django.urls import reverse

from accounts import staff_views
from accounts.models import Account
from accounts.tests.back_office import errors, fill_in
from tests.manipulations import as_administrator


def verify(person, account):
    return fill_in(person, reverse("admin:accounts_account_verify", args=[account.pk]))


def test_an_auditor_verifies_the_audit_log_of_one_account(auditor, reena, rahul, audited):
    reena.send(rahul, "5.00")
    before = Account.objects.filter(pk=reena.account.pk).values().get()
    answer = verify(auditor, reena.account)
    page = auditor.browser.get(answer.url)
    assert answer.status_code == 302
    assert Account.objects.filter(pk=reena.account.pk).values().get() == before
    [row] = audited("audit.verified")
    assert (row.object_id, row.actor_id) == (reena.account.public_id, auditor.user.pk)
    assert row.details == {"audit rows": 3, "chains": 1}
    assert page.status_code == 200


@pytest.mark.django_db(transaction=True)
def test_what_somebody_changed_is_shown_to_the_auditor(auditor, reena, rahul, audited):
    reena.send(rahul, "5.00")
    with as_administrator() as cursor:
        cursor.execute(
            "UPDATE audit_logs SET actor_id = 0 WHERE account_id = %s AND sequence = 2",
            [reena.account.pk],
        )
    wrong = f"account {reena.account.number}, audit row 2 is not as it was written"
    assert errors(verify(auditor, reena.account)) == {
        "__all__": [f"The audit log is wrong: {wrong}."]
    }
    [row] = audited("audit.found_wrong")
    assert row.details["wrong"] == wrong
    assert verify(auditor, rahul.account).status_code == 302


def test_of_a_long_chain_the_newest_rows_are_verified(auditor, reena, rahul, audited, monkeypatch):
    monkeypatch.setattr(staff_views, "NEWEST", 2)
    reena.send(rahul, "5.00")
    assert verify(auditor, reena.account).status_code == 302
    [row] = audited("audit.verified")
    assert row.details["audit rows"] == 2


@pytest.mark.django_db(transaction=True)
def test_a_row_that_is_missing_where_the_newest_begin_is_named(auditor, reena, rahul, monkeypatch):
    monkeypatch.setattr(staff_views, "NEWEST", 2)
    reena.send(rahul, "5.00")
    with as_administrator() as cursor:
        cursor.execute(
            "DELETE FROM audit_logs WHERE account_id = %s AND sequence = 1", [reena.account.pk]
        )
    [told] = errors(verify(auditor, reena.account))["__all__"]
    assert told.endswith("audit row 1 is missing.")


def test_the_banks_own_accounts_are_verified_too(auditor, reena):
    house = Account.objects.get(kind=Account.Kind.HOUSE)
    assert verify(auditor, house).status_code == 302
