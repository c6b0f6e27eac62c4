"""The bank serves under a database user that can neither rewrite history nor change a table."""

import os
import re
import secrets
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection
from django.db.utils import OperationalError

from conftest import APPEND_ONLY_TABLES as ONCE
from smartbank.bootstrap import ROOT
from smartbank.throwaway import Server
from tests import crash_points
from tests.crash_points import DATABASE, Act, People
from torture.app import App

SERVING, MIGRATING = "bank@127.0.0.1", "builder@127.0.0.1"
DENIED = {1044, 1045, 1142, 1143, 1227, 1419}


@dataclass(frozen=True)
class Served:
    """A bank on a private server, served by a process under the serving user."""

    server: Server
    url: str
    environment: dict[str, str]
    app: App
    people: People


def grants() -> list[str]:
    """Return the statements that the command prints."""
    printed = StringIO()
    call_command("grants", serving=SERVING, migrating=MIGRATING, stdout=printed)
    return printed.getvalue().splitlines()


def users_of(url: str) -> str:
    """Make the two users, with a password; return where the serving one connects."""
    password = secrets.token_hex(16)
    with connection.cursor() as cursor:
        for user in (SERVING, MIGRATING):
            name, _, host = user.partition("@")
            cursor.execute(f"CREATE USER '{name}'@'{host}' IDENTIFIED BY '{password}'")
        for statement in grants():
            cursor.execute(statement.rstrip(";"))
    return re.sub(r"//root(:\w*)?@", f"//bank:{password}@", url)


@pytest.fixture(scope="module")
def served(django_db_setup, django_db_blocker, tmp_path_factory):
    """The bank, migrated by the administrator, its users made, and served by the lesser one."""
    log = tmp_path_factory.mktemp("served") / "log"
    with django_db_blocker.unblock(), crash_points.private_server() as server, ExitStack() as stack:
        with crash_points.connected_to(server):
            people = crash_points.open_bank()
            with pytest.MonkeyPatch.context() as patch:
                patch.setitem(settings.DATABASE, "NAME", DATABASE)
                url = users_of(server.tcp_url(DATABASE))
        environment = {
            **os.environ,
            "DATABASE_URL": url,
            "SECRET_KEY": settings.SECRET_KEY,
            "SMARTBANK_READ_DOTENV": "0",
            "DEBUG": "0",
            "SECURE_SSL_REDIRECT": "0",
            "ALLOWED_HOSTS": "127.0.0.1",
            "LOG_LEVEL": "ERROR",
            "DJANGO_SETTINGS_MODULE": "tests.served_settings",
        }
        app = stack.enter_context(App(environment, log=log, workers=1, threads=2))
        yield Served(server, url, environment, app, people)


@pytest.fixture
def as_who_serves(served, db):
    """This thread's connection is that of the serving user."""
    with crash_points.connected_to(served.server, served.url):
        yield served


def post(served: Served, request) -> int:
    bank = crash_points.Bank(served.app, None, served.people, False)
    return bank.post(request).status


def manage(served: Served, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=served.environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.row_locks
@pytest.mark.parametrize("act", [crash_points.PAYMENT, crash_points.REFUSAL, crash_points.RECEIPT])
def test_who_serves_moves_money(as_who_serves, act: Act):
    assert post(as_who_serves, act.request(as_who_serves.people)) == act.status


@pytest.mark.row_locks
def test_who_serves_lets_staff_work(as_who_serves):
    act = crash_points.DEPOSIT
    assert post(as_who_serves, act.request(as_who_serves.people)) == act.status


@pytest.mark.row_locks
def test_who_serves_counts_wrong_passwords(as_who_serves):
    credentials = {"username": "reena", "password": "a wrong one"}
    request = crash_points.json_request("/auth/token", credentials, as_who_serves.people.reena)
    assert post(as_who_serves, request) == 401


@pytest.mark.row_locks
def test_who_serves_seals_verifies_and_clears_sessions(as_who_serves, tmp_path: Path):
    file = str(tmp_path / "seals")
    for command in (
        ("check", "--database", "default"),
        ("seal", "--to", file),
        ("verify_audit", "--seals", file),
        ("reconcile",),
        ("clearsessions",),
    ):
        done = manage(as_who_serves, *command)
        assert done.returncode == 0, (command, done.stderr)


@pytest.mark.row_locks
@pytest.mark.parametrize(
    "statement",
    [
        *(f"UPDATE {table} SET id = 0" for table in ONCE),
        *(f"DELETE FROM {table}" for table in ONCE),
        *(f"TRUNCATE TABLE {table}" for table in (*ONCE, "accounts", "transfers")),
        *(f"DROP TRIGGER {table}_no_update" for table in ONCE),
        *(f"DROP TABLE {table}" for table in (*ONCE, "accounts")),
        *(f"DELETE FROM {table}" for table in ("accounts", "transfers", "customers", "api_tokens")),
        "ALTER TABLE accounts DROP COLUMN audit_head",
        "CREATE TABLE another (id INT)",
        "CREATE TRIGGER t BEFORE INSERT ON audit_logs FOR EACH ROW SET NEW.ip = NULL",
        "DELETE FROM django_migrations",
        "SELECT * FROM mysql.user",
    ],
)
def test_who_serves_cannot_rewrite_history(as_who_serves, statement):
    with pytest.raises((OperationalError, DatabaseError)) as refused, connection.cursor() as cursor:
        cursor.execute(statement)
    assert refused.value.args[0] in DENIED


@pytest.mark.row_locks
def test_who_serves_cannot_migrate(as_who_serves):
    done = manage(as_who_serves, "migrate", "audit", "zero")
    assert done.returncode != 0
    assert "denied" in done.stderr


def test_a_name_that_is_none_is_refused(settings):
    settings.DATABASE = {"ENGINE": "smartbank.mysql", "NAME": "bank"}
    for name in ("bank", "bank@", "b'ank@%", "bank@%; DROP", "bänk@%"):
        with pytest.raises(CommandError, match="no USER@HOST"):
            call_command("grants", serving=name)


def test_sqlite_has_no_users(settings):
    settings.DATABASE = {"ENGINE": "django.db.backends.sqlite3", "NAME": "bank"}
    with pytest.raises(CommandError, match="SQLite has no users"):
        call_command("grants")


def test_every_table_of_the_bank_has_its_rights(settings):
    settings.DATABASE = {"ENGINE": "smartbank.mysql", "NAME": "bank"}
    printed = "\n".join(grants())
    found = re.findall(r"GRANT ([A-Z, ]+) ON `bank`\.`(\w+)` TO 'bank'", printed)
    rights = {table: allowed for allowed, table in found}
    assert set(rights) == {*connection.introspection.django_table_names(), "django_migrations"}
    assert {table for table in rights if rights[table] == "SELECT, INSERT"} == set(ONCE)
