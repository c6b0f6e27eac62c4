"""The system refuses to start in a configuration in which money would not be safe."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.db import connection

from smartbank import checks

ROOT = Path(__file__).resolve().parents[2]
PRODUCTION = {
    "PATH": os.environ["PATH"],
    "SMARTBANK_READ_DOTENV": "0",
    "PYTHONWARNINGS": "ignore",  # the assets are not collected here
    "DEBUG": "0",
    "SECRET_KEY": "k" * 10 + "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "AUDIT_KEYS": "1:" + "ab" * 32,
    "AUDIT_SIGNING_KEY": "cd" * 32,
    "ALLOWED_HOSTS": "bank.example",
    "DATABASE_URL": "mysql://bank:secret@127.0.0.1:1/bank",
}


def check_deploy(**environment) -> subprocess.CompletedProcess:
    """Run `manage.py check --deploy` as somebody does who is about to open a bank."""
    return subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT,
        env={**PRODUCTION, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_check_deploy_is_clean_in_production():
    result = check_deploy()
    assert (result.returncode, "no issues" in result.stdout) == (0, True), result.stderr


@pytest.mark.parametrize(
    ("environment", "code"),
    [
        ({"DATABASE_URL": "sqlite:////tmp/bank.sqlite3"}, "smartbank.E004"),
        ({"SECRET_KEY": "demo-" + "x" * 60}, "smartbank.E005"),
        ({"SECRET_KEY_FALLBACKS": "demo-" + "x" * 60}, "smartbank.E005"),
        ({"AUDIT_KEYS": ""}, "smartbank.E007"),
        ({"AUDIT_KEYS": "1:short"}, "smartbank.E007"),
        ({"AUDIT_SIGNING_KEY": ""}, "smartbank.E007"),
        ({"AUDIT_SIGNING_KEY": "short"}, "smartbank.E007"),
        ({"AUDIT_OLD_PUBLIC_KEYS": "short"}, "smartbank.E007"),
    ],
)
def test_it_refuses(environment, code):
    result = check_deploy(**environment)
    assert result.returncode != 0
    assert code in result.stderr


def test_a_wsgi_server_refuses_to_start_in_the_same_cases():
    result = subprocess.run(
        [sys.executable, "-c", "import smartbank.wsgi"],
        cwd=ROOT,
        env={**PRODUCTION, "DATABASE_URL": "sqlite:////tmp/bank.sqlite3"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 1
    assert result.stderr.startswith("SmartBank refuses to start.")
    assert "smartbank.E004" in result.stderr


def test_a_wsgi_server_starts_while_the_database_is_away():
    result = subprocess.run(
        [sys.executable, "-c", "import smartbank.wsgi"],
        cwd=ROOT,
        env=PRODUCTION,  # nothing listens on port 1
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (result.returncode, result.stderr) == (0, "")


def ids(errors) -> list[str]:
    return [error.id for error in errors]


def test_atomic_requests_are_refused(settings):
    assert checks.transactions_are_the_operations_own() == []
    settings.DATABASES["default"]["ATOMIC_REQUESTS"] = True
    try:
        assert ids(checks.transactions_are_the_operations_own()) == ["smartbank.E001"]
    finally:
        settings.DATABASES["default"]["ATOMIC_REQUESTS"] = False


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        ({"isolation_level": "repeatable read"}, ["smartbank.E002"]),
        ({"isolation_level": None}, ["smartbank.E002"]),
        ({"init_command": "SET sql_mode=''"}, ["smartbank.E003"]),
        ({}, []),
    ],
)
def test_isolation_and_sql_mode_are_checked_in_the_settings(monkeypatch, settings, options, wrong):
    server = {
        "ENGINE": "smartbank.mysql",
        "OPTIONS": {
            "isolation_level": "read committed",
            "init_command": "SET sql_mode='STRICT_ALL_TABLES'",
            **options,
        },
    }
    monkeypatch.setitem(settings.DATABASES, "default", server)
    errors = checks.isolation_is_read_committed() + checks.sql_mode_is_strict()
    assert ids(errors) == wrong


@pytest.mark.row_locks
@pytest.mark.parametrize(
    ("statement", "wrong"),
    [
        ("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", ["smartbank.E002"]),
        ("SET SESSION sql_mode = ''", ["smartbank.E003"]),
    ],
)
@pytest.mark.django_db(transaction=True)
def test_isolation_and_sql_mode_are_checked_on_the_server(statement, wrong):
    assert checks.server_agrees_with_the_settings(databases=["default"]) == []
    with connection.cursor() as cursor:
        cursor.execute(statement)
    try:
        assert ids(checks.server_agrees_with_the_settings(databases=["default"])) == wrong
    finally:
        connection.close()


def test_a_user_with_the_demo_password_is_refused_in_production(db, settings):
    settings.DEBUG = False
    user = get_user_model().objects.create_user("teller", password="something else entirely")
    assert checks.no_demo_users_in_production(databases=["default"]) == []

    user.set_password(checks.DEMO_PASSWORD)
    user.save()

    errors = checks.no_demo_users_in_production(databases=["default"])
    assert ids(errors) == ["smartbank.E006"]
    assert "teller" in errors[0].msg
    settings.DEBUG = True
    assert checks.no_demo_users_in_production(databases=["default"]) == []
