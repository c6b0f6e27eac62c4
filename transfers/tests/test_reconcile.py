"""manage.py reconcile finds whatever somebody breaks by hand, and names it."""

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from audit import append_only
from conftest import APPEND_ONLY_TABLES
from transfers.models import Transfer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def bank(reena, rahul):
    """A bank with a payment (confirmed), one in return and a refusal."""
    paid = reena.send(rahul, "100.00", reference="Rent").json()["id"]
    rahul.api.post(f"/transfers/{paid}/receipt", {"received_amount": "100.00"})
    rahul.send(reena, "1.00")
    reena.send(rahul, "9000.00")


@pytest.fixture
def break_it():
    """Return a function that runs SQL as an administrator can: no trigger, no foreign key."""

    def run(sql: str) -> None:
        for table in APPEND_ONLY_TABLES:
            append_only.unprotect(table)
        with connection.constraint_checks_disabled(), connection.cursor() as cursor:
            cursor.execute(sql)
            assert cursor.rowcount > 0, "nothing was broken"
        for table in APPEND_ONLY_TABLES:
            append_only.protect(table)

    return run


def test_right_books_are_said_to_be_right(bank, capsys):
    call_command("reconcile")
    assert capsys.readouterr().out == (
        "The books are right: 3 accounts, 4 completed and 1 refused transfers, "
        "all balances together 0 in every currency.\n"
    )


def test_an_empty_bank_is_right(db):
    call_command("reconcile")


LAST = "(SELECT id FROM (SELECT max(id) AS id FROM {}) AS newest)"
LAST_ENTRY = LAST.format("ledger_entries")


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("UPDATE accounts SET balance_minor = balance_minor + 1 WHERE id = {reena}", "{number}"),
        ("UPDATE accounts SET balance_minor = 0 WHERE kind = 'HOUSE'", "the balance is 0"),
        ("UPDATE accounts SET entry_sequence = 9 WHERE id = {reena}", "{number}"),
        ("UPDATE accounts SET held_minor = 1 WHERE id = {reena}", "{number}: what is held"),
        ("UPDATE accounts SET currency = 'USD' WHERE id = {reena}", "currency"),
        (f"DELETE FROM ledger_entries WHERE id = {LAST_ENTRY}", "entries are not"),
        (f"UPDATE ledger_entries SET sequence = 77 WHERE id = {LAST_ENTRY}", "is missing"),
        (
            f"UPDATE ledger_entries SET balance_after_minor = 1 WHERE id = {LAST_ENTRY}",
            "another story",
        ),
        (f"UPDATE ledger_entries SET amount_minor = 1 WHERE id = {LAST_ENTRY}", "entries are not"),
        (
            f"UPDATE ledger_entries SET bank_date = '2020-01-01' WHERE id = {LAST_ENTRY}",
            "entries are",
        ),
        ("UPDATE transfers SET amount_minor = 1 WHERE reference = 'Rent'", "{rent}"),
        ("UPDATE transfers SET reference = 'Bribe' WHERE reference = 'Rent'", "{rent}"),
        ("UPDATE transfers SET bank_date = '2020-01-01' WHERE reference = 'Rent'", "{rent}"),
        ("UPDATE transfers SET from_account_id = {house} WHERE reference = 'Rent'", "{rent}"),
        ("UPDATE transfers SET received_minor = 1 WHERE reference = 'Rent'", "{rent}: its receipt"),
        (
            "UPDATE transfers SET receipt_status = 'UNCONFIRMED', received_minor = NULL "
            "WHERE reference = 'Rent'",
            "{rent}: its receipt",
        ),
        (
            "UPDATE transfers SET status = 'COMPLETED', failure_code = NULL, "
            "completed_at = created_at WHERE status = 'REJECTED'",
            "entries are not what it moved",
        ),
        (
            "UPDATE transfers SET status = 'REJECTED', failure_code = 'insufficient_funds', "
            "completed_at = NULL WHERE reference = 'Rent'",
            "{rent}",
        ),
        *[
            (f"UPDATE transfers SET {change} WHERE reference = 'Rent'", "{rent}")
            for change in (
                "kind = 'CASH'",
                "reversed_minor = 1",
                "request_id = 'another'",
                "completed_at = '2001-01-01'",
                "created_at = '2001-01-01'",
                "confirmed_at = NULL",
                "caller_id = {rahul_user}",
            )
        ],
        *[
            (f"UPDATE transfers SET {change} WHERE status = 'REJECTED'", "another story")
            for change in (
                "failure_code = 'daily_limit_exceeded'",
                """failure_details = '{{"available_minor": 1}}'""",
                "kind = 'CASH'",
            )
        ],
        *[
            (f"UPDATE accounts SET {change} WHERE id = {{reena}}", "{number}: its " + named)
            for change, named in (
                ("daily_limit_minor = 100000000", "daily_limit_minor is 100000000"),
                ("status = 'FROZEN'", "status is FROZEN"),
                ("customer_id = {rahul_customer}", "customer is"),
            )
        ],
        ("UPDATE accounts SET number = '123456789012' WHERE id = {reena}", "123456789012: its num"),
        ("UPDATE ledger_entries SET created_at = '2001-01-01' WHERE id = " + LAST_ENTRY, "entries"),
        ("UPDATE audit_logs SET actor_id = 0 WHERE object_id = '{rent}'", "{rent}"),
        ("UPDATE audit_logs SET request_id = 'x' WHERE object_id = '{rent}'", "{rent}"),
        ("DELETE FROM audit_logs WHERE action = 'account.opened'", "the audit log says None"),
        ("DELETE FROM transfers WHERE status = 'REJECTED'", "no transfer"),
        ("DELETE FROM transfers WHERE reference = 'Rent'", "0 was sent"),
        ("DELETE FROM transfers WHERE kind = 'CASH'", "no such transfer"),
        ("UPDATE account_daily_usage SET used_minor = 1 WHERE account_id = {reena}", "10000 was"),
        ("DELETE FROM account_daily_usage WHERE account_id = {reena}", "missing, 10000 was sent"),
        ("DELETE FROM audit_logs WHERE action = 'transfer.refused'", "another story"),
        ("DELETE FROM audit_logs WHERE action = 'receipt.confirmed'", "{rent}: its receipt"),
        ("UPDATE audit_logs SET account_id = 0 WHERE action = 'transfer.refused'", "another story"),
        ("UPDATE audit_logs SET details = '{{}}' WHERE object_id = '{rent}'", "{rent}"),
    ],
)
def test_what_is_broken_by_hand_is_found_and_named(bank, break_it, reena, rahul, sql, named):
    house = connection.cursor()
    house.execute("SELECT id FROM accounts WHERE kind = 'HOUSE'")
    names = {
        "reena": reena.account.pk,
        "number": reena.account.number,
        "rent": Transfer.objects.get(reference="Rent").public_id,
        "house": house.fetchone()[0],
        "rahul_user": rahul.user.pk,
        "rahul_customer": rahul.customer.pk,
    }
    break_it(sql.format(**names))

    with pytest.raises(CommandError) as found:
        call_command("reconcile")

    assert named.format(**names) in str(found.value)
