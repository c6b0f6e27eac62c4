"""How the database reads what every request reads: by an index, in its order, and no more rows than
are shown, whatever the statistics say, in tables so long that it has a real choice."""

from functools import partial
from itertools import chain

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from smartbank.mysql import BETWEEN
from transfers import operations
from transfers.models import Transfer
from transfers.orders import Order

pytestmark = [pytest.mark.row_locks, pytest.mark.django_db(transaction=True)]

PAYMENTS = 300
DOUBLINGS = 7
HOT = ("accounts", "transfers", "ledger_entries", "account_daily_usage", "api_tokens", "customers")


@pytest.fixture
def history(reena, rahul, anita, meera):
    """Reena and Rahul have paid each other many times, and the rest of the bank much more often."""
    pay_each_other(reena, rahul)
    _, last = pay_each_other(anita, meera), Transfer.objects.last()
    with connection.cursor() as cursor:
        for _ in range(DOUBLINGS):
            double(cursor, first=last.pk - PAYMENTS + 1)
        cursor.execute("ANALYZE TABLE accounts, transfers, ledger_entries")
        cursor.fetchall()


def pay_each_other(one, other) -> None:
    """Pay from one to the other and back, so often."""
    for first in range(0, PAYMENTS, 100):
        orders = []
        for number in range(first, first + 100):
            sender, receiver = (one, other) if number % 2 else (other, one)
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


def double(cursor, first: int) -> None:
    """Write all transfers from that key on once more, with their entries. No balance knows of
    them: they are there to be passed over."""
    cursor.execute("SELECT MAX(transfer_id), MAX(sequence) FROM ledger_entries")
    last, sequence = cursor.fetchone()
    names = [one.column for one in Transfer._meta.concrete_fields if one.column != "id"]
    new = {"public_id": "UUID()", "key_hash": "SHA2(UUID(), 256)"}
    cursor.execute(
        f"INSERT INTO transfers ({', '.join(names)}) "
        f"SELECT {', '.join(new.get(name, name) for name in names)} FROM transfers WHERE id >= %s",
        [first],
    )
    for side, amount in (("from", "-amount_minor"), ("to", "amount_minor")):
        cursor.execute(
            "INSERT INTO ledger_entries (account_id, sequence, transfer_id, amount_minor, "
            "balance_after_minor, bank_date, created_at) "
            f"SELECT {side}_account_id, %s + id, id, {amount}, 0, bank_date, "
            "created_at FROM transfers WHERE id > %s",
            [sequence, last],
        )


def plans(call) -> list[tuple[str, dict]]:
    """Return each reading statement of a call with the lines of its EXPLAIN."""
    with CaptureQueriesContext(connection) as captured:
        response = call()
    assert response.status_code in (200, 201), response.content
    found = []
    with connection.cursor() as cursor:
        packets = [query["sql"].split(BETWEEN) for query in captured.captured_queries]
        for sql in chain.from_iterable(packets):
            if sql.startswith(("SELECT", "UPDATE")) and any(table in sql for table in HOT):
                cursor.execute(f"EXPLAIN FORMAT=TRADITIONAL {sql}")  # MySQL's default is a tree
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


def test_no_call_reads_a_whole_table_or_sorts(history, reena, rahul):
    assert Transfer.objects.count() > 20_000
    found = {name: slow(partial(call, reena, rahul)) for name, call in CALLS.items()}
    assert found == dict.fromkeys(CALLS, [])


def test_the_statements_that_lock_name_their_index(history, reena, rahul):
    """Statistics that say that a table is empty must not make a lock read, and lock, all of it."""
    locking = [sql for sql, _ in plans(lambda: reena.send(rahul, "1.00")) if "FOR UPDATE" in sql]
    assert len(set(locking)) == 1
    assert all("FORCE INDEX (PRIMARY)" in sql for sql in locking)
