"""Database transactions that are run again, whole, when the database says so."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from django.db import (
    DEFAULT_DB_ALIAS,
    DatabaseError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    connection,
    connections,
    transaction,
)

Result = TypeVar("Result")

MAX_ATTEMPTS = 24  # with the pauses below, enough to sit out a database's restart
MAX_SECONDS = 12

# Error numbers of MariaDB, MySQL, Galera and TiDB. All of them leave nothing behind, or, when the
# reply to COMMIT was lost, leave it to the unique keys to tell on the next attempt.
LOST_CONNECTION = {
    0,  # without words: the drivers' for a connection that is closed already
    1040,  # too many connections
    1047,  # Galera: this node is not ready
    1053,  # server shutdown in progress
    1180,  # error during COMMIT
    1927,  # connection killed (MariaDB)
    2002,  # can't connect to the local server
    2003,  # can't connect to the server
    2005,  # unknown host
    2006,  # server has gone away
    2013,  # lost connection during query
    2055,  # lost connection at a system call
    4031,  # disconnected for inactivity (MySQL)
}
READS_ONLY = {  # what the old primary says after a failover
    1290,  # running with --read-only
    1836,  # in read-only mode
}
LOST_RACE = {
    1020,  # record has changed since last read
    1062,  # duplicate entry
    1205,  # lock wait timeout
    1213,  # deadlock
    3572,  # lock not free, NOWAIT (MySQL)
    8002,  # TiDB: SELECT FOR UPDATE met a write conflict
    8022,  # TiDB: COMMIT failed and was rolled back
    9007,  # TiDB: write conflict
}
SQLITE_LOST_RACE = ("database is locked", "UNIQUE constraint failed")  # it has no numbers


class Busy(Exception):
    """The database came to no verdict in time. Nothing happened, or the idempotency key tells."""


def run(
    work: Callable[[], Result],
    *,
    attempts: int | None = None,
    until: float | None = None,
    before_commit: Callable[[], None] | None = None,
) -> Result:
    """Run `work` as one durable transaction and return its result once it is committed.

    A deadlock, a lock timeout, a duplicate key or a lost connection runs the *whole* work again:
    after any of them the server may have rolled everything back, so going on from the failing
    statement would commit half a transfer. At most `attempts` (MAX_ATTEMPTS), and no other one is
    begun after `until` (monotonic; in MAX_SECONDS), then Busy. `before_commit` is called each time
    that `work` is done and only the COMMIT is left.
    `work` must therefore change nothing but the database, and recognise by a unique key, or by a
    row of its own, that its first COMMIT arrived. Raises RuntimeError inside another transaction.
    """
    attempts = attempts or MAX_ATTEMPTS
    until = until or patience_ends()
    connections[DEFAULT_DB_ALIAS].health_check_done = True  # no ping: the first statement tells
    for attempt in range(1, attempts + 1):
        try:
            with transaction.atomic(durable=True):
                result = work()
                if before_commit:
                    before_commit()
            return result
        except (OperationalError, InterfaceError, IntegrityError) as error:
            if _number(error) in READS_ONLY:
                connection.close()  # the next call shall look for the new primary
            if not is_worth_retrying(error):
                raise
            if is_lost_connection(error):
                connection.close()
            pause = _pause(attempt, error)
            if attempt == attempts or time.monotonic() + pause > until:
                raise Busy from error
            time.sleep(pause)


@contextmanager
def not_waiting() -> Iterator[None]:
    """Give up at once, inside, on a lock that somebody else holds: OperationalError.

    Only SQLite, where any writer is in the way of any other, is told so.
    """
    if connection.vendor != "sqlite":
        yield
        return
    patience = connection.settings_dict["OPTIONS"]["timeout"] * 1000
    try:
        _busy_timeout(0)
        yield
    finally:
        _busy_timeout(patience)


def _busy_timeout(milliseconds: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA busy_timeout = {milliseconds:d}")


def instead_of_a_ping(read: Callable[[], Result]) -> Result:
    """Return what `read` finds, and let it tell whether the connection still stands.

    Before the first statement of a request Django pings the server (CONN_HEALTH_CHECKS), so that a
    restart of the database costs no request. A read that comes first tells the same without a round
    trip of its own: only if it fails is the connection looked at, and if that is gone, the read is
    done once more on a new one.
    """
    database = connections[DEFAULT_DB_ALIAS]
    if database.connection is None or database.health_check_done:
        return read()
    database.health_check_done = True
    try:
        return read()
    except (DatabaseError, InterfaceError) as error:
        if not is_lost_connection(error) and database.is_usable():
            raise
        database.close()
    return read()


def patience_ends() -> float:
    """Return when (monotonic) work that begins now is not tried again any more."""
    return time.monotonic() + MAX_SECONDS


def is_worth_retrying(error: Exception) -> bool:
    """Return whether running everything again may succeed where this database error failed."""
    return (
        is_lost_connection(error)
        or _number(error) in LOST_RACE
        or str(error).startswith(SQLITE_LOST_RACE)
    )


def is_lost_connection(error: Exception) -> bool:
    """Return whether the error means that the connection is gone."""
    return _number(error) in LOST_CONNECTION


def _number(error: Exception) -> object:
    return error.args[0] if error.args else None


def _pause(attempt: int, error: Exception) -> float:
    """Return seconds to wait: random up to a doubling bound, so that two losers part ways. The
    longest pause is what a database that is back may still be kept waiting for. There is none at
    first after a lost connection: it may have been lost since the last request."""
    if attempt == 1 and is_lost_connection(error):
        return 0
    first, longest = (0.1, 0.5) if is_lost_connection(error) else (0.005, 0.25)
    return random.uniform(0, min(longest, first * 2**attempt))
