"""transactions.run: what is run again, how often, and what is not."""

import pytest
from django.db import IntegrityError, OperationalError, connection, transaction

from accounts import transactions

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def closings(monkeypatch) -> list:
    """Wait for nothing, and only note that the connection would be closed: the test's own
    transaction lives on it."""
    noted = []
    monkeypatch.setattr(transactions, "_pause", lambda attempt, error: 0)
    monkeypatch.setattr(connection, "close", lambda: noted.append("closed"))
    return noted


def failing(error: Exception, times: int):
    """Return work that fails with `error` so many times before it returns the attempt's number."""
    attempts = []

    def work():
        attempts.append(1)
        if len(attempts) <= times:
            raise error
        return len(attempts)

    return work


@pytest.mark.parametrize(
    "error",
    [
        OperationalError(1213, "Deadlock found"),
        OperationalError(1205, "Lock wait timeout exceeded"),
        OperationalError(1020, "Record has changed since last read"),
        OperationalError(2006, "Server has gone away"),
        OperationalError(2013, "Lost connection"),
        IntegrityError(1062, "Duplicate entry"),
        OperationalError("database is locked"),
        IntegrityError("UNIQUE constraint failed: accounts.number"),
    ],
    ids=lambda error: str(error.args[0]),
)
def test_the_whole_work_is_run_again_after(error):
    assert transactions.run(failing(error, times=3)) == 4


@pytest.mark.parametrize("number", [1290, 1836])
def test_a_server_that_only_reads_loses_its_connection_and_is_not_asked_again(number, closings):
    with pytest.raises(OperationalError):
        transactions.run(failing(OperationalError(number, "read-only"), times=1))
    assert closings == ["closed"]


@pytest.mark.parametrize(
    "error",
    [
        IntegrityError(4025, "CONSTRAINT failed"),
        OperationalError(1054, "Unknown column"),
        OperationalError("no such table"),
    ],
    ids=lambda error: str(error.args[0]),
)
def test_what_no_repetition_mends_is_raised_at_once(error):
    with pytest.raises(type(error)) as raised:
        transactions.run(failing(error, times=1))
    assert raised.value is error


def test_it_gives_up_after_the_last_attempt():
    work = failing(OperationalError(1213, "Deadlock found"), times=transactions.MAX_ATTEMPTS)
    with pytest.raises(transactions.Busy):
        transactions.run(work)
    assert work() == transactions.MAX_ATTEMPTS + 1


def test_an_exception_of_the_work_itself_rolls_back(django_user_model):
    def work():
        django_user_model.objects.create(username="nobody")
        raise LookupError

    with pytest.raises(LookupError):
        transactions.run(work)
    assert not django_user_model.objects.filter(username="nobody").exists()


@pytest.mark.django_db(transaction=True)
def test_it_refuses_to_run_inside_another_transaction():
    with transaction.atomic(), pytest.raises(RuntimeError):
        transactions.run(lambda: None)
