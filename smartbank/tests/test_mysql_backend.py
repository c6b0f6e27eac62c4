"""Transactions that begin with their first statement, and packets of several."""

import datetime as dt
from contextlib import closing, suppress
from decimal import Decimal

import pytest
from django.db import IntegrityError, OperationalError, connection, connections, transaction
from django.db.transaction import TransactionManagementError
from django.test.utils import CaptureQueriesContext
from django.utils.safestring import SafeString

from accounts import rows
from accounts.models import Account, ThrottleWindow
from accounts.rows import Statement
from transfers.models import Transfer

pytestmark = [pytest.mark.row_locks, pytest.mark.django_db(transaction=True)]

INSERT = "INSERT INTO throttle_windows (`key`, used, resets_at) VALUES (%s, 0, '2026-01-01')"


def select(value) -> Statement:
    """Ask for a value."""
    return Statement("SELECT %s", [value], lambda cursor: cursor.fetchone()[0])


def packets(work) -> list[str]:
    """Return what is sent while `work` runs, and where Django thinks that BEGIN and COMMIT are."""
    with CaptureQueriesContext(connection) as sent:
        work()
    return [one["sql"] for one in sent]


def asked_of_the_server(work) -> int:
    """Return how many statements the server has counted."""

    def count() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SHOW SESSION STATUS LIKE 'Questions'")
            return int(cursor.fetchone()[1])

    before = count()
    work()
    return count() - before - 1


def test_a_transaction_begins_in_the_packet_of_its_first_statement():
    def work():
        with transaction.atomic():
            rows.run(select(1), select(2))
            assert connection.connection.get_autocommit()  # as the server itself says
            rows.run(select(3))

    assert packets(work) == [
        "BEGIN",
        "START TRANSACTION;\nSELECT 1;\nSELECT 2",
        "SELECT 3",
        "COMMIT",
    ]
    assert asked_of_the_server(work) == 5


@pytest.mark.parametrize("ends_well", [True, False])
def test_a_transaction_without_a_statement_sends_nothing(ends_well):
    def work():
        with transaction.atomic():
            transaction.set_rollback(not ends_well)

    assert asked_of_the_server(work) == 0
    assert asked_of_the_server(lambda: rows.run(select(1))) == 1  # and no other inherits its begin


def test_what_an_atomic_block_wrote_is_undone_with_it():
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        ThrottleWindow.objects.create(key="k", resets_at="2026-01-01T00:00Z")
        1 / 0  # noqa: B018
    assert ThrottleWindow.objects.count() == 0


def test_executemany_begins_a_transaction_too():
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.executemany(INSERT, [["one"], ["two"]])
            assert cursor.rowcount == 2
        1 / 0  # noqa: B018
    assert ThrottleWindow.objects.count() == 0


def test_a_transaction_that_lost_its_connection_begins_on_the_next_one():
    with pytest.raises(OperationalError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.execute("KILL CONNECTION_ID()")
    connection.close()
    assert packets(lambda: rows.run(select(1))) == ["SELECT 1"]


def test_after_the_servers_trouble_nothing_can_be_done_but_roll_back(reena):
    other = connections.create_connection("default")
    other.settings_dict = connection.settings_dict
    with closing(other), other.cursor() as theirs, connection.cursor() as ours:
        theirs.execute("START TRANSACTION")
        theirs.execute("SELECT id FROM accounts WHERE id = %s FOR UPDATE", [reena.account.pk])
        ours.execute("SET innodb_lock_wait_timeout = 1")
        refused = pytest.raises(TransactionManagementError, match="until the end of")
        with refused, transaction.atomic():
            with pytest.raises(OperationalError, match="1205"):
                Account.objects.locked([reena.account.pk])
            ThrottleWindow.objects.create(key="k", resets_at="2026-01-01T00:00Z")
    assert ThrottleWindow.objects.count() == 0


def test_a_duplicate_is_no_trouble_of_the_server():
    with transaction.atomic():
        for _ in range(2):
            with suppress(IntegrityError), connection.cursor() as cursor:
                cursor.execute(INSERT, ["k"])
        assert rows.run(select("still here")) == ["still here"]
    assert ThrottleWindow.objects.count() == 1


@pytest.mark.parametrize("together", [True, False])
def test_statements_answer_in_their_order_together_and_one_by_one(monkeypatch, together):
    monkeypatch.setattr(connections["default"], "takes_packets", together)
    told = ["a;\nDROP TABLE x", "100 %s %", 'it\'s "quoted" `so`', "\\", "नमस्ते", 7, None]
    assert rows.run(*map(select, told)) == told
    assert len(packets(lambda: rows.run(*map(select, told)))) == (1 if together else len(told))


@pytest.mark.parametrize(
    "value",
    [
        'it\'s \\ "50%" %s;\n\r\0\x1a',
        "नमस्ते",
        "",
        SafeString("<b>"),
        Transfer.Kind.PAYMENT,
        -(2**63),
        True,
        None,
        Decimal("-1.50"),
        b"\0'",
        dt.date(2026, 11, 27),
        dt.datetime(2026, 11, 27, 1, 2, 3, 4),
    ],
    ids=str,
)
def test_a_value_is_written_as_the_driver_writes_it(value):
    connection.ensure_connection()
    expected = connection.connection.cursor().mogrify("DO %s", [value])
    assert connections["default"].literal(value) == expected.removeprefix("DO ")

    def execute():
        with connection.cursor() as cursor:
            cursor.execute("DO %s", [value])

    assert packets(execute) == [expected]


@pytest.mark.parametrize("together", [True, False])
def test_the_statement_that_fails_is_the_last_one_and_its_error_has_its_name(
    monkeypatch, together, reena, books
):
    monkeypatch.setattr(connections["default"], "takes_packets", together)
    before, done = books(), []
    overdraw = "UPDATE accounts SET balance_minor = balance_minor - 1000000 WHERE id = %s"
    with pytest.raises(IntegrityError, match="4025|3819"), transaction.atomic():
        rows.run(
            Statement("SELECT 1", [], done.append),
            Statement(overdraw, [reena.account.pk], done.append),
            Statement("SELECT 2", [], done.append),
        )
    assert len(done) == 1
    assert books() == before
    assert rows.run(select("and on"), select("we go")) == ["and on", "we go"]
