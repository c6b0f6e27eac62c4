"""How the database reads what every request reads: by an index, in its order, and no more rows than
are shown, whatever the statistics say."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from transfers import operations
from transfers.models import Transfer
from transfers.orders import Order

pytestmark = [pytest.mark.row_locks, pytest.mark.django_db(transaction=True)]

PAYMENTS = 300
HOT = ("accounts", "transfers", "ledger_entries", "account_daily_usage", "api_tokens", "customers")


@pytest.fixture
def history(reena, rahul):
    """Reena and Rahul have paid each other many times."""
    ends = [reena, rahul]
    for first in range(0, PAYMENTS, 100):
        orders = []
        for number in range(first, first + 100):
            sender, receiver = ends[number % 2], ends[1 - number % 2]
            orders.append(
                Order(
                    kind=Transfer.Kind.PAYMENT,
                    caller_id=sender.user.pk,
                    customer_id=sender.customer.pk,
                    from_account_id=sender.account.pk,
                    to_account_id=receiver.account.pk,
                    amount_minor=1,
                    currency="INR",
                    origin=sender.origin,
                )
            )
        operations.post(orders)


def plans(call) -> list[tuple[str, dict]]:
    """Return each reading statement of a call with the lines of its EXPLAIN."""
    with CaptureQueriesContext(connection) as captured:
        response = call()
    assert response.status_code in (200, 201), response.content
    found = []
    with connection.cursor() as cursor:
        for query in captured.captured_queries:
            sql = query["sql"]
            if sql.startswith(("SELECT", "UPDATE")) and any(table in sql for table in HOT):
                cursor.execute(f"EXPLAIN {sql}")
                names = [column[0].lower() for column in cursor.description]
                lines = [dict(zip(names, line, strict=True)) for line in cursor.fetchall()]
                found += [(sql, line) for line in lines if line["table"] is not None]
    return found


def slow(call) -> list[str]:
    """Return the statements that read a whole table or index, or sort what they found."""
    return [
        f"{line['table']} {line['type']} {line['key']} {line['extra']}: {sql[:90]}"
        for sql, line in plans(call)
        if line["type"] in ("ALL", "index")
        and line["rows"]
        and int(line["rows"]) > 60
        or "filesort" in (line["extra"] or "")
    ]


CALLS = {
    "a transfer": lambda one, other: one.send(other, "1.00", key="k"),
    "one transfer": lambda one, other: one.api.get(
        f"/transfers/{Transfer.objects.filter(kind='PAYMENT').last().public_id}"
    ),
    "the list": lambda one, other: one.api.get("/transfers"),
    "the list of one direction": lambda one, other: one.api.get("/transfers?direction=in"),
    "limits": lambda one, other: one.api.get(f"/accounts/{one.account.public_id}/limits"),
    "entries": lambda one, other: one.api.get(f"/accounts/{one.account.public_id}/entries"),
    "a later page of entries": lambda one, other: one.api.get(
        one.api.get(f"/accounts/{one.account.public_id}/entries?limit=20").json()["next"]
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_it_reads_no_whole_table_and_sorts_nothing(name, history, reena, rahul):
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE TABLE accounts, transfers, ledger_entries")
        cursor.fetchall()
    assert slow(lambda: CALLS[name](reena, rahul)) == []


def test_the_statements_that_lock_name_their_index(history, reena, rahul):
    """Statistics that say that a table is empty must not make a lock read, and lock, all of it."""
    locking = [sql for sql, _ in plans(lambda: reena.send(rahul, "1.00")) if "FOR UPDATE" in sql]
    assert len(set(locking)) == 1
    assert all("FORCE INDEX (PRIMARY)" in sql for sql in locking)
