"""Django's backend for MariaDB and MySQL, in which a transaction takes two ways to the server less.

Django switches autocommit off before a transaction and on again behind it, each with a command of
its own. Here START TRANSACTION travels in the packet of the first statement, COMMIT ends it, and
autocommit stays on.

A statement outside of a transaction then commits by itself. So that none can follow a deadlock,
whose victim's transaction is gone, the server's trouble leaves nothing to do in an atomic block but
to roll it back: Django refuses any other statement.
"""

from collections.abc import Callable, Sequence

from django.db import IntegrityError
from django.db.backends.mysql import base
from django.db.backends.utils import debug_transaction
from MySQLdb.constants import CLIENT

from smartbank.mysql import BETWEEN


class CursorWrapper(base.CursorWrapper):
    """Begins the transaction that is due with the first statement, and takes several in a packet:
    one text, with BETWEEN between them, whose answers `nextset` goes through."""

    def __init__(self, cursor, database: "DatabaseWrapper"):
        super().__init__(cursor)
        self.database = database

    def execute(self, query, args=None):
        """Execute a statement or a packet."""
        begins = self.database.begins
        if begins:
            query = f"START TRANSACTION{BETWEEN}{query}"
        if isinstance(args, list | tuple) and hasattr(self.cursor.connection, "string_literal"):
            query, args = self._bound(query, args), None
        self.database.begins = False
        self._watched(self.cursor.execute, query, args)
        if begins:
            self.nextset()
        return self.rowcount

    def _bound(self, query: str, args: Sequence) -> bytes:
        """Return the statement with its values in it, as mysqlclient would, but that most values
        need no call of a Python function."""
        driver = self.cursor.connection
        quoted, other = driver.string_literal, driver.literal
        return query.encode() % tuple(
            [
                quoted(value.encode())
                if isinstance(value, str)
                else b"%d" % value
                if type(value) is int
                else other(value)
                for value in args
            ]
        )

    def executemany(self, query, args):
        """Execute a statement for each of `args`."""
        if self.database.begins:
            self.execute("DO 0")
        return self._watched(self.cursor.executemany, query, args)

    def nextset(self):
        """Go on to the answer of the packet's next statement."""
        return self._watched(self.cursor.nextset)

    def _watched(self, call: Callable, *values):
        """Name an error as Django names it, and end the transaction if the server is in trouble."""
        try:
            return call(*values)
        except (base.Database.OperationalError, base.Database.InternalError) as error:
            if error.args[0] in self.codes_for_integrityerror:
                raise IntegrityError(*error.args) from error
            self.database.needs_rollback = self.database.in_atomic_block
            raise


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection; `begins` says that a transaction is to begin with the next statement."""

    takes_packets = True
    BETWEEN = BETWEEN
    begins = False

    def get_connection_params(self):
        """Return what the driver is called with."""
        params = super().get_connection_params()
        return params | {"client_flag": params["client_flag"] | CLIENT.MULTI_STATEMENTS}

    def literal(self, value: object) -> str:
        """Return the value as statements hold it."""
        self.ensure_connection()
        return self.connection.cursor().mogrify("%s", [value])

    def create_cursor(self, name=None):
        """Return a cursor that keeps what is said above."""
        return CursorWrapper(self.connection.cursor(), self)

    def connect(self):
        """Connect: whatever was to begin on a connection before, was to begin there."""
        self.begins = False
        super().connect()

    def _start_transaction_under_autocommit(self):
        with debug_transaction(self, "BEGIN"):
            self.begins = True

    def _commit(self):
        if not self._never_began():
            super()._commit()

    def _rollback(self):
        if not self._never_began():
            super()._rollback()

    def _never_began(self) -> bool:
        begins, self.begins = self.begins, False
        return begins
