"""The bank that is measured: a private database, customers with money, the production server."""

import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import MySQLdb

from bench import data
from bench.database import Database

ROOT = Path(__file__).resolve().parent.parent
LOCAL = "127.0.0.1"
START_SECONDS = 60
STOP_SECONDS = 40
ENOUGH = 500  # accounts of a server that was there before
# The tables of the yardstick's copy: those with rows in them, and those that it only fills.
FILLED = ["auth_user", "customers", "accounts"]
EMPTY = ["account_daily_usage", "transfers", "ledger_entries", "audit_logs"]


class CannotMeasure(Exception):
    """Something is in the way; the message is a sentence for a person."""


@dataclass(frozen=True)
class Bank:
    """A bank, open and served."""

    people: list[data.Member]
    address: tuple[str, int]
    database: Database | None = None  # these three are unknown of a server that was there before
    environment: dict[str, str] | None = None
    pid: int | None = None


@contextmanager
def opened(database: Database, customers: int, transfers: int, say) -> Iterator[Bank]:
    """Fill an empty database, and serve it while the block runs."""
    environment = {
        **os.environ,
        "DATABASE_URL": database.url,
        "DEBUG": "0",
        "SECRET_KEY": secrets.token_hex(32),
        "AUDIT_KEYS": f"1:{secrets.token_hex(32)}",
        "AUDIT_SIGNING_KEY": secrets.token_hex(32),
        "ALLOWED_HOSTS": LOCAL,
        "SECURE_SSL_REDIRECT": "0",
        "SMARTBANK_READ_DOTENV": "0",
        "LOG_LEVEL": "ERROR",
        "REQUESTS_PER_MINUTE": "1000000",
    }
    say(f"A bank with {customers:,} customers and {transfers:,} transfers:")
    manage(environment, "migrate", "--verbosity", "0")
    manage(environment, "collectstatic", "--no-input", "--verbosity", "0")
    much = ["--customers", str(customers), "--transfers", str(transfers)]
    with tempfile.TemporaryDirectory() as directory:
        tokens = Path(directory, "tokens.csv")
        manage(environment, "load_data", *much, "--tokens", str(tokens))
        people = data.members(tokens)
    connection = MySQLdb.connect(**database.connect())
    people = data.with_transfers(people, connection.cursor())
    connection.close()
    port = _free_port()
    command = [sys.executable, "manage.py", "serve", "--bind", f"{LOCAL}:{port}"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    try:
        _wait_until_ready(process, port)
        yield Bank(people, (LOCAL, port), database, environment, process.pid)
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        finally:
            process.kill()


@contextmanager
def found(url: str, tokens: Path) -> Iterator[Bank]:
    """Use a server that runs already, and accounts that `load_data` wrote down for it."""
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise CannotMeasure("Give --server as http://host:port; TLS is not what is measured.")
    people = [
        replace(one, host=parts.netloc, transfer_id=_last_transfer(url, one))
        for one in data.members(tokens)[:ENOUGH]
    ]
    yield Bank(people, (parts.hostname, parts.port or 80))


def _last_transfer(url: str, member: data.Member) -> str:
    headers = {"Authorization": f"Bearer {member.token}"}
    request = urllib.request.Request(f"{url}/transfers?limit=1", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=START_SECONDS) as answer:
            return json.load(answer)["results"][0]["id"]
    except (OSError, IndexError) as error:
        raise CannotMeasure(f"{url} shows no transfer of {member.account_id}: {error}") from None


def manage(environment: dict[str, str], *arguments: str) -> None:
    """Run a command of the bank. Raises CannotMeasure if it fails."""
    done = subprocess.run([sys.executable, "manage.py", *arguments], cwd=ROOT, env=environment)
    if done.returncode:
        raise CannotMeasure(f"manage.py {arguments[0]} failed; its words are above.")


@contextmanager
def copy_for_the_yardstick(database: Database) -> Iterator[list[tuple[int, int]]]:
    """Copy the bank's accounts and empty tables, with their keys, to a database beside it while the
    block runs; yield each account's key with its owner's.

    The yardstick checks nothing and keeps no daily usage, so it may not write in the bank itself.
    """
    with closing(MySQLdb.connect(**database.connect())) as connection:
        cursor = connection.cursor()
        cursor.execute(f"CREATE DATABASE {database.copy} CHARACTER SET utf8mb4")
        try:
            cursor.execute(f"USE {database.copy}")
            yield _copy(cursor, database.name)
        finally:
            connection.rollback()
            cursor.execute(f"DROP DATABASE {database.copy}")


def _copy(cursor, bank: str) -> list[tuple[int, int]]:
    cursor.execute("SET foreign_key_checks = 0")
    for table in FILLED + EMPTY:
        cursor.execute(f"SHOW CREATE TABLE {bank}.{table}")
        ((_, statement),) = cursor.fetchall()
        cursor.execute(statement)
    for table in FILLED:
        cursor.execute(f"INSERT INTO {table} SELECT * FROM {bank}.{table}")
    cursor.connection.commit()
    cursor.execute(
        "SELECT accounts.id, customers.user_id FROM accounts "
        "JOIN customers ON customers.id = accounts.customer_id"
    )
    return list(cursor.fetchall())


def _wait_until_ready(process: subprocess.Popen, port: int) -> None:
    give_up_at = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up_at and process.poll() is None:
        try:
            urllib.request.urlopen(f"http://{LOCAL}:{port}/readyz", timeout=5).close()
            return
        except OSError:
            time.sleep(0.1)
    raise CannotMeasure("The server did not start; its words are above.")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOCAL, 0))
        return probe.getsockname()[1]
