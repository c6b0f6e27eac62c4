"""A process that dies in the middle of a request leaves all of it or nothing, on any database.

Every database call of a request is numbered. At each of them a child of this process kills itself,
before the call or right after it; the request is then repeated.
"""

import os
import signal
from io import StringIO
from itertools import product

import pytest
from django.core.management import call_command
from django.db import connection, connections
from django.test import Client

from tests.crash_points import (
    AFTER,
    APPROVAL,
    BEFORE,
    DEPOSIT,
    PAYMENT,
    RECEIPT,
    REFUSAL,
    Answer,
    People,
    Request,
    changes_since,
    is_committed,
    picture,
)
from tests.database_calls import each_call
from torture.proxy import Fate


def post(request: Request, watch=lambda name, call: call()) -> Answer:
    """Have this process answer the request; `watch(name, call)` makes each database call."""
    headers = dict(request.headers)
    kind = headers.pop("Content-Type")
    with each_call(connections["default"], watch):
        response = Client().generic("POST", request.path, request.body, kind, headers=headers)
    return Answer(response.status_code, response.headers.get("Location"), response.content)


def calls_of(request: Request) -> list[str]:
    """Answer the request undisturbed, and return its database calls."""
    calls = []

    def watch(name, call):
        calls.append(name)
        return call()

    connection.close()
    post(request, watch)
    return calls


def die_in(request: Request, number: int, fate: Fate) -> None:
    """Have a child of this process begin the request and SIGKILL itself at a database call."""
    made = 0

    def watch(name, call):
        nonlocal made
        made += 1
        if made == number and fate is BEFORE:
            os.kill(os.getpid(), signal.SIGKILL)
        result = call()
        if made == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    connection.close()  # or two processes would talk on it
    child = os.fork()
    if child == 0:
        try:
            post(request, watch)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL


@pytest.mark.django_db(transaction=True)
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")  # its threads only wait
@pytest.mark.parametrize("act", [PAYMENT, REFUSAL, RECEIPT, DEPOSIT, APPROVAL], ids=str)
def test_a_process_that_dies_at_any_database_call_leaves_all_or_nothing(
    request, reena, rahul, teller, act
):
    people = People(reena, rahul, teller)
    calls_of(act.request(people))  # from now on it is known which accounts are meant
    calls = calls_of(act.request(people))
    for number, fate in product(range(1, len(calls) + 1), (BEFORE, AFTER)):
        point = f"{fate.name} {number}, {calls[number - 1]}"
        asked = act.request(people)
        before = picture()
        die_in(asked, number, fate)
        done = is_committed(calls, number, fate)
        assert changes_since(before) == (act.changes if done else {}), point

        answer = post(asked)
        assert answer.status == act.status, point
        assert post(asked) == answer, point
        assert changes_since(before) == act.changes, point
    call_command("reconcile", stdout=StringIO())
    request.node.user_properties.append(("points", 2 * len(calls)))  # for the JUnit report
