"""Wherever a request over HTTP breaks, repeating it makes it happen exactly once.

Every command that a request sends to the database is numbered, and at each number something
breaks: the worker is killed, its connection breaks, or the database is killed; before the database
sees the command, or after it has carried it out. No point is left to chance, and nothing waits for
a moment. SWEEPS says which faults meet which requests in the suite. EVERY_POINT=1 in the
environment lets all meet all.
"""

import os
from io import StringIO
from itertools import product

import pytest
from django.core.management import call_command
from django.db import connection

from tests import crash_points
from tests.crash_points import (
    AFTER,
    BEFORE,
    DEPOSIT,
    PAYMENT,
    RECEIPT,
    REFUSAL,
    Act,
    Bank,
    Broken,
    Fault,
    changes_since,
    is_committed,
    picture,
)
from tests.database_calls import COMMIT

pytestmark = pytest.mark.row_locks

EVERY_POINT = os.environ.get("EVERY_POINT") == "1"
BEGIN = "START TRANSACTION"
WORKER, CONNECTION, DATABASE = Broken

# Behind a new database connection for each request, or behind one that the worker keeps.
SWEEPS = {
    ("new", PAYMENT): product(Broken, (BEFORE, AFTER)),
    ("kept", PAYMENT): product((WORKER, CONNECTION), (BEFORE, AFTER)),
    ("new", REFUSAL): product((WORKER, CONNECTION), (AFTER,)),
    ("new", RECEIPT): product((WORKER, CONNECTION), (BEFORE, AFTER)),
    ("new", DEPOSIT): product((WORKER, CONNECTION), (AFTER,)),
}
if EVERY_POINT:
    SWEEPS = {
        how: product(Broken, (BEFORE, AFTER))
        for how in product(("new", "kept"), (PAYMENT, REFUSAL, RECEIPT, DEPOSIT))
    }


@pytest.fixture(scope="module")
def server(django_db_setup, django_db_blocker):
    """A private database server, and the people of the bank in it."""
    with django_db_blocker.unblock(), crash_points.private_server() as server:
        with crash_points.connected_to(server):
            people = crash_points.open_bank()
        yield server, people


@pytest.fixture(scope="module")
def served(server, tmp_path_factory):
    """That bank, served twice: with new database connections and with kept ones."""
    log = tmp_path_factory.mktemp("served") / "log"
    with (
        crash_points.serve(*server, log, keep_connections=False) as new,
        crash_points.serve(*server, log, keep_connections=True) as kept,
    ):
        yield {"new": new, "kept": kept}


@pytest.fixture
def bank(request, server, served, db):
    """One of the two, with this thread connected to its database; its books are right at last."""
    with crash_points.connected_to(server[0]):
        yield served[request.param]
        call_command("reconcile", stdout=StringIO())


def commands_of(bank: Bank, act: Act) -> list[str]:
    """Return what the act sends to the database when nothing breaks, and it is known who asks and
    who is meant."""
    for _ in ("asked for the first time", "and again"):
        bank.begin()
        request = act.request(bank.people)
        bank.saboteur.count()
        assert bank.post(request).status == act.status
    return list(bank.saboteur.commands)


def in_transaction(commands: list[str]) -> range:
    """Return the numbers of the commands that begin, make and end the transaction."""
    begins = next(n for n, command in enumerate(commands, 1) if command.startswith(BEGIN))
    return range(begins, commands.index(COMMIT) + 2)


def crash(bank: Bank, act: Act, commands: list[str], number: int, fault: Fault) -> None:
    """Let the fault meet one command of the act, and hold that the act happens once."""
    point = f"{fault} {number}, {commands[number - 1]}"
    bank.begin()
    request = act.request(bank.people)
    before = picture()

    bank.saboteur.count(number, fault)
    answer = bank.post(request)
    assert bank.saboteur.commands[:number] == commands[:number], point
    assert bank.saboteur.struck, point
    if fault.broken is WORKER:
        assert answer is None, point
    elif number in in_transaction(commands):  # the bank itself runs it again
        assert answer, point
    if fault.broken is DATABASE:
        connection.close()  # ours is broken as well
    if answer is None:  # unknown to the client; and all of it or nothing before it asks again
        done = is_committed(commands, number, fault.fate)
        assert changes_since(before) == (act.changes if done else {}), point
        answer = bank.persist(request)
    assert answer and answer.status == act.status, point
    assert bank.post(request) == answer, point
    assert changes_since(before) == act.changes, point


@pytest.mark.parametrize("bank", ["new", "kept"], indirect=True)
def test_all_that_a_payment_says_to_the_database_is_numbered(bank):
    commands = commands_of(bank, PAYMENT)

    begins = next(n for n, command in enumerate(commands) if command.startswith(BEGIN))
    connecting, transaction = commands[:begins], commands[begins:]
    if bank.keeps_connections:
        assert connecting == []  # no ping, and the token is looked at under the lock
    else:
        assert {command.split()[0] for command in connecting} == {"SET"}
    assert [one for one in transaction if one != "SELECT transfers"] == [  # which reads keys back
        "START TRANSACTION + SELECT accounts FOR UPDATE + SELECT account_daily_usage"
        " + SELECT transfers + SELECT api_tokens",
        "INSERT transfers",
        "UPDATE accounts + INSERT ledger_entries + UPDATE account_daily_usage + INSERT audit_logs",
        COMMIT,
    ]


@pytest.mark.parametrize(
    ("bank", "act", "fault"),
    [(bank, act, Fault(*how)) for (bank, act), hows in SWEEPS.items() for how in hows],
    indirect=["bank"],
    ids=str,
)
def test_wherever_it_breaks_repeating_the_request_makes_it_happen_once(request, bank, act, fault):
    commands = commands_of(bank, act)
    numbers = range(1, len(commands) + 1)
    if fault.broken is DATABASE and not EVERY_POINT:
        numbers = [in_transaction(commands)[0], commands.index(COMMIT) + 1]
    for number in numbers:
        crash(bank, act, commands, number, fault)
    request.node.user_properties.append(("points", len(numbers)))  # for the JUnit report
