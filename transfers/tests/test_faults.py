"""Faults between the application and a real server: nothing is lost, nothing happens twice."""

import threading
from contextlib import contextmanager

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection, connections

from accounts import transactions
from transfers.models import Transfer

pytestmark = [pytest.mark.row_locks, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def the_books_are_right_afterwards(db):
    yield
    call_command("reconcile")


@pytest.fixture
def impatient(monkeypatch):
    """Give up after a second instead of twelve."""
    monkeypatch.setattr(transactions, "MAX_SECONDS", 1)
    with connection.cursor() as cursor:
        cursor.execute("SET innodb_lock_wait_timeout = 1")


@contextmanager
def outsider():
    """Another connection to the same database, inside a transaction of its own."""
    other = connections.create_connection("default")
    other.settings_dict = connection.settings_dict
    other.inc_thread_sharing()
    with other.cursor() as cursor:
        cursor.execute("START TRANSACTION")
        yield cursor
        cursor.execute("ROLLBACK")
    other.close()


def fail_commit(monkeypatch, *, number: int, arrives: bool) -> None:
    """Make the next COMMIT fail with this error number, after it arrived or without."""
    wrapper = type(connections["default"])
    commit = wrapper._commit

    def failing(database):
        monkeypatch.setattr(wrapper, "_commit", commit)
        if arrives:
            commit(database)
        raise OperationalError(number, "injected")

    monkeypatch.setattr(wrapper, "_commit", failing)


@pytest.mark.parametrize("key", ["a key", None])
def test_a_lost_reply_to_commit_pays_once_and_looks_like_a_first_answer(
    monkeypatch, reena, rahul, key
):
    fail_commit(monkeypatch, number=2013, arrives=True)
    answer = reena.send(rahul, "10.00", key=key)
    assert answer.status_code == 201
    assert "Idempotent-Replayed" not in answer.headers
    assert (reena.balance(), rahul.balance()) == (499_000, 301_000)
    assert Transfer.objects.filter(from_account=reena.account).count() == 1


@pytest.mark.parametrize("number", [1213, 1205, 1180, 2006, 2013])
def test_a_commit_that_did_not_happen_is_done_again(monkeypatch, reena, rahul, number):
    fail_commit(monkeypatch, number=number, arrives=False)
    assert reena.send(rahul, "10.00").status_code == 201
    assert (reena.balance(), rahul.balance()) == (499_000, 301_000)


def test_a_killed_connection_costs_no_answer(reena, rahul):
    with connection.cursor() as cursor:
        cursor.execute("SELECT CONNECTION_ID()")
        ours = cursor.fetchone()[0]
    with outsider() as other:
        other.execute(f"KILL {ours}")
    connection.close_if_unusable_or_obsolete()  # so begins every request

    assert reena.send(rahul, "10.00").status_code == 201
    assert reena.balance() == 499_000


def test_a_call_with_a_token_begins_without_a_ping(monkeypatch, reena):
    wrapper = type(connections["default"])
    monkeypatch.setattr(wrapper, "is_usable", lambda database: pytest.fail("a ping"))
    connection.close_if_unusable_or_obsolete()  # so begins every request

    assert reena.api.get("/me").status_code == 200
    assert connection.health_check_done


@pytest.mark.parametrize(("number", "reads"), [(1205, 1), (1969, 1), (2006, 2), (1927, 2)])
def test_only_a_lost_connection_makes_the_first_read_read_again(number, reads, db):
    begun = []

    def read():
        begun.append(connection.connection)
        raise OperationalError(number, "injected")

    connection.ensure_connection()
    connection.close_if_unusable_or_obsolete()  # so begins every request
    with pytest.raises(OperationalError, match="injected"):
        transactions.instead_of_a_ping(read)
    assert len(begun) == reads


def test_a_connection_killed_while_it_waits_for_the_lock_is_replaced(reena, rahul):
    with connection.cursor() as cursor:
        cursor.execute("SELECT CONNECTION_ID()")
        ours = cursor.fetchone()[0]
    with outsider() as other:
        other.execute("SELECT id FROM accounts WHERE id = %s FOR UPDATE", [rahul.account.pk])

        def kill_and_let_go():
            other.execute(f"KILL {ours}")
            other.execute("ROLLBACK")

        timer = threading.Timer(0.5, kill_and_let_go)
        timer.start()
        answer = reena.send(rahul, "10.00")
        timer.join()
    assert answer.status_code == 201
    assert (reena.balance(), rahul.balance()) == (499_000, 301_000)


def test_a_real_deadlock_is_run_again_and_the_client_never_knows(reena, rahul):
    """The outsider holds Rahul's row, then asks for Reena's, which the transfer has locked."""
    first, second = sorted([reena.account.pk, rahul.account.pk])
    deadlocks = []
    with outsider() as other:
        # Much written: the server rolls back whoever has done less, and that is the transfer.
        other.execute(
            "INSERT INTO django_session WITH RECURSIVE numbers (n) AS "
            "(SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 500) "
            "SELECT n, '', now() FROM numbers"
        )
        other.execute("SELECT id FROM accounts WHERE id = %s FOR UPDATE", [second])

        def close_the_circle():
            other.execute("SELECT id FROM accounts WHERE id = %s FOR UPDATE", [first])
            other.execute("ROLLBACK")

        def count_retries(error, original=transactions.is_worth_retrying):
            deadlocks.append(error.args[0])
            return original(error)

        timer = threading.Timer(0.5, close_the_circle)
        timer.start()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(transactions, "is_worth_retrying", count_retries)
            answer = reena.send(rahul, "10.00")
        timer.join()
    assert answer.status_code == 201
    assert deadlocks == [1213]
    assert (reena.balance(), rahul.balance()) == (499_000, 301_000)


def test_a_lock_that_outlives_all_retries_is_503_and_moves_nothing(impatient, books, reena, rahul):
    before = books()
    with outsider() as other:
        other.execute("SELECT id FROM accounts WHERE id = %s FOR UPDATE", [rahul.account.pk])
        answer = reena.send(rahul, "10.00", key="later")
    assert (answer.status_code, answer.json()["code"]) == (503, "busy")
    assert int(answer.headers["Retry-After"]) > 0
    assert books() == before

    assert reena.send(rahul, "10.00", key="later").status_code == 201
    assert reena.balance() == 499_000


def test_an_audit_row_that_cannot_be_written_stops_the_transfer(books, reena, rahul):
    before = books()
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TRIGGER audit_disk_full BEFORE INSERT ON audit_logs FOR EACH ROW "
            "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'full'"
        )
        try:
            answer = reena.send(rahul, "10.00")
        finally:
            cursor.execute("DROP TRIGGER audit_disk_full")
    assert answer.status_code == 503
    assert books() == before


def test_a_database_that_is_away_is_503_and_its_return_needs_no_restart(
    monkeypatch, impatient, books, reena, rahul
):
    before = books()
    connection.close()

    def nobody_answers(params):
        raise OperationalError(2002, "Can't connect to server")

    with monkeypatch.context() as away:
        away.setattr(connection, "get_new_connection", nobody_answers)
        answer = reena.send(rahul, "10.00")
        assert (answer.status_code, answer.json()["code"]) == (503, "busy")
        assert reena.api.get("/readyz").status_code == 503
        assert reena.api.get("/healthz").status_code == 200
    assert books() == before
    assert reena.send(rahul, "10.00").status_code == 201
