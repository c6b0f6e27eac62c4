"""Triggers that make a table append-only, whatever program talks to the server.

They stop UPDATE and DELETE, and what contains them. TRUNCATE passes triggers on MariaDB and MySQL;
it is for the grants of the database user to forbid. On SQLite, REPLACE fires them only in
connections that switch `recursive_triggers` on, as ours do.
"""

from django.db import connection


def statements(vendor: str, table: str) -> list[str]:
    """Return the SQL that creates the two triggers of `table`."""
    refuse = {
        "mysql": "FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '{message}'",
        "sqlite": "BEGIN SELECT RAISE(ABORT, '{message}'); END",
    }[vendor]
    return [
        f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
        + refuse.format(message=f"{table} is append-only")
        for verb in ("UPDATE", "DELETE")
    ]


def protect(table: str) -> None:
    """Create the two triggers of `table`."""
    with connection.cursor() as cursor:
        for statement in statements(connection.vendor, table):
            cursor.execute(statement)


def unprotect(table: str) -> None:
    """Drop the two triggers of `table`; for reversing a migration, and for tests."""
    with connection.cursor() as cursor:
        for verb in ("update", "delete"):
            cursor.execute(f"DROP TRIGGER IF EXISTS {table}_no_{verb}")
