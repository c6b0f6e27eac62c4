"""The statements of one transfer's transaction, pinned: the lock first, then one per table."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Account
from smartbank.mysql import BETWEEN


def shape(sql: str) -> str:
    """Return a statement as verb and table, with its locking clause."""
    sql = re.sub(r'[`"]', "", sql)
    verb, table = re.match(r"(SELECT|INSERT|UPDATE|\w+)(?:.*?\b(?:FROM|INTO) )?(\w*)", sql).groups()
    if verb in ("UPDATE", "START"):
        table = sql.split()[1]
    order = " ORDER BY id" if "ORDER BY id" in sql else ""
    lock = " FOR UPDATE" if "FOR UPDATE" in sql else ""
    return f"{verb} {table}{order}{lock}".strip()


def statements(captured) -> list[str]:
    """Return all that was captured, packets taken apart."""
    return [one for query in captured for one in query["sql"].split(BETWEEN)]


def keys_read_back() -> list[list[str]]:
    """The statement more that MySQL needs: it has no INSERT … RETURNING."""
    returns_keys = connection.features.can_return_rows_from_bulk_insert
    return [] if returns_keys else [["SELECT transfers"]]


@pytest.fixture
def sent(reena, rahul):
    """Return a function that sends an amount and lists the packets of its transaction, each as its
    statements."""

    def send(amount: str) -> list[list[str]]:
        with CaptureQueriesContext(connection) as captured:
            reena.send(rahul, amount, key=f"key {amount}")
        packets = [[*map(shape, one["sql"].split(BETWEEN))] for one in captured.captured_queries]
        return packets[packets.index(["BEGIN"]) + 1 : packets.index(["COMMIT"])]

    return send


READ_UNDER_LOCK = [
    "START TRANSACTION",
    "SELECT accounts ORDER BY id FOR UPDATE",
    "SELECT account_daily_usage",
    "SELECT transfers",
    "SELECT api_tokens",
]


@pytest.mark.row_locks
@pytest.mark.django_db(transaction=True)
def test_a_payment_locks_its_accounts_first_and_in_key_order_then_writes_each_table_once(sent):
    sent("1.00")  # the day's first transfer inserts the usage row, later ones update it
    assert sent("2.00") == [
        READ_UNDER_LOCK,
        ["INSERT transfers"],
        *keys_read_back(),
        [
            "UPDATE accounts",
            "INSERT ledger_entries",
            "UPDATE account_daily_usage",
            "INSERT audit_logs",
        ],
    ]


@pytest.mark.row_locks
@pytest.mark.django_db(transaction=True)
def test_a_refusal_is_written_in_the_same_transaction_and_moves_nothing(sent):
    assert sent("5000.01") == [
        READ_UNDER_LOCK,
        ["INSERT transfers"],
        *keys_read_back(),
        ["UPDATE accounts", "INSERT audit_logs"],  # where the chain of audit rows ends now
    ]


def test_balances_are_changed_by_a_difference_and_never_set(reena, rahul):
    with CaptureQueriesContext(connection) as captured:
        reena.send(rahul, "1.00")
    plain = re.sub(r'[`"]', "", next(one for one in statements(captured) if one[:6] == "UPDATE"))
    assert " balance_minor = balance_minor + CASE" in plain


def test_a_refusal_touches_no_balance(reena, rahul):
    with CaptureQueriesContext(connection) as captured:
        reena.send(rahul, "5000.01")
    [update] = [one for one in statements(captured) if one.startswith("UPDATE")]
    columns = re.findall(r"(\w+)\W? = ", update.partition("WHERE")[0])
    assert set(columns) - {"id"} == {"audit_sequence", "audit_head"}


def test_nobody_can_lock_so_many_accounts_that_the_order_is_lost(db):
    with pytest.raises(ValueError, match="Chunk"):
        Account.objects.locked(range(1000))
