"""The bank that is measured: a private database, customers with money, the production server."""

import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import MySQLdb

from bench import data
from smartbank.throwaway import Server

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 60
STOP_SECONDS = 40
# As a bank runs it (README): on disk at every commit, in the log and in the binary log.
AS_IN_PRODUCTION = [
    "--log-bin=binlog",
    "--sync-binlog=1",
    "--innodb-buffer-pool-size=2G",
    "--innodb-log-file-size=512M",
]
# The tables of the yardstick's copy: those with rows in them, and those that it only fills.
FILLED = ["auth_user", "customers", "accounts"]
EMPTY = ["account_daily_usage", "transfers", "ledger_entries", "audit_logs"]


class CannotMeasure(Exception):
    """Something is in the way; the message is a sentence for a person."""


@dataclass(frozen=True)
class Bank:
    """A bank, open and served."""

    server: Server
    database: str
    environment: dict[str, str]
    people: list[data.Member]
    port: int
    pid: int

    def connect(self, database: str = "") -> dict:
        """Return how the C driver reaches a database of the server."""
        return connect(self.server, database or self.database)


def connect(server: Server, database: str) -> dict:
    """Return how the C driver reaches a database."""
    return {"unix_socket": str(server.socket), "user": "root", "db": database}


@contextmanager
def opened(server: Server, database: str, customers: int, transfers: int, say) -> Iterator[Bank]:
    """Fill an empty database of the server, and serve it while the block runs."""
    environment = {
        **os.environ,
        "DATABASE_URL": server.url(database),
        "DEBUG": "0",
        "SECRET_KEY": secrets.token_hex(32),
        "AUDIT_KEYS": f"1:{secrets.token_hex(32)}",
        "AUDIT_SIGNING_KEY": secrets.token_hex(32),
        "ALLOWED_HOSTS": "127.0.0.1",
        "SECURE_SSL_REDIRECT": "0",
        "SMARTBANK_READ_DOTENV": "0",
        "LOG_LEVEL": "ERROR",
        "REQUESTS_PER_MINUTE": "1000000",
    }
    say(f"A bank with {customers:,} customers and {transfers:,} transfers:")
    manage(environment, "migrate", "--verbosity", "0")
    manage(environment, "collectstatic", "--no-input", "--verbosity", "0")
    tokens = Path(server.socket).with_name(f"{database}.csv")
    much = ["--customers", str(customers), "--transfers", str(transfers)]
    manage(environment, "load_data", *much, "--tokens", str(tokens))
    database_connection = MySQLdb.connect(**connect(server, database))
    people = data.members(tokens, database_connection.cursor())
    database_connection.close()
    port = _free_port()
    command = [sys.executable, "manage.py", "serve", "--bind", f"127.0.0.1:{port}"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    try:
        _wait_until_ready(process, port)
        yield Bank(server, database, environment, people, port, process.pid)
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        finally:
            process.kill()


def manage(environment: dict[str, str], *arguments: str) -> None:
    """Run a command of the bank. Raises CannotMeasure if it fails."""
    done = subprocess.run([sys.executable, "manage.py", *arguments], cwd=ROOT, env=environment)
    if done.returncode:
        raise CannotMeasure(f"manage.py {arguments[0]} failed; its words are above.")


def copy_for_the_yardstick(bank: Bank, copy: str) -> list[tuple[int, int]]:
    """Copy the bank's accounts and empty tables, with their keys, to the database `copy`.

    The yardstick checks nothing and keeps no daily usage, so it may not write in the bank itself.
    Return each account's key with its owner's.
    """
    connection = MySQLdb.connect(**bank.connect(copy))
    cursor = connection.cursor()
    cursor.execute("SET foreign_key_checks = 0")
    for table in FILLED + EMPTY:
        cursor.execute(f"SHOW CREATE TABLE {bank.database}.{table}")
        ((_, statement),) = cursor.fetchall()
        cursor.execute(statement)
    for table in FILLED:
        cursor.execute(f"INSERT INTO {table} SELECT * FROM {bank.database}.{table}")
    connection.commit()
    cursor.execute(
        "SELECT accounts.id, customers.user_id FROM accounts "
        "JOIN customers ON customers.id = accounts.customer_id"
    )
    accounts = list(cursor.fetchall())
    connection.close()
    return accounts


def _wait_until_ready(process: subprocess.Popen, port: int) -> None:
    give_up_at = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up_at and process.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5).close()
            return
        except OSError:
            time.sleep(0.1)
    raise CannotMeasure("The server did not start; its words are above.")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
