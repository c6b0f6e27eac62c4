"""System checks that refuse a configuration in which money would not be safe."""

import sys

from django.conf import settings
from django.contrib.auth.hashers import check_password
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection

from audit import keys, signatures
from smartbank.demo_environment import DEMO_KEY_PREFIX

DEMO_PASSWORD = "smartbank-demo"
DEMO_USERNAMES = [
    *("reena", "rahul", "anita", "meera", "sandbox"),
    *("manager", "teller", "auditor", "admin"),
]


def register() -> None:
    """Register every check below with Django."""
    checks.register(transactions_are_the_operations_own)
    checks.register(isolation_is_read_committed)
    checks.register(sql_mode_is_strict)
    checks.register(production_runs_on_a_server)
    checks.register(secret_key_is_secret)
    checks.register(audit_has_its_keys)
    checks.register(no_demo_users_in_production, checks.Tags.database)
    checks.register(server_agrees_with_the_settings, checks.Tags.database)


def refuse_to_serve_unsafely() -> None:
    """Exit with one sentence per error if a check fails; WSGI servers run no checks themselves.

    A database that is away now refuses nothing: the process starts, and answers 503 until it is
    back.
    """
    errors = [one for one in checks.run_checks() if one.is_serious()]
    try:
        connection.ensure_connection()
        errors += no_demo_users_in_production(databases=["default"])
        errors += server_agrees_with_the_settings(databases=["default"])
    except DatabaseError:
        pass
    finally:
        connection.close()
    if errors:
        sys.exit("SmartBank refuses to start.\n" + "\n".join(str(error) for error in errors))


def transactions_are_the_operations_own(app_configs=None, **kwargs) -> list:
    """Refuse ATOMIC_REQUESTS: a transaction round the request could be neither retried nor kept
    when the answer is a refusal."""
    if settings.DATABASES["default"].get("ATOMIC_REQUESTS"):
        return [checks.Error("ATOMIC_REQUESTS must be off.", id="smartbank.E001")]
    return []


def isolation_is_read_committed(app_configs=None, **kwargs) -> list:
    """Refuse another isolation level: after the lock, a read must see the newest commit."""
    options = settings.DATABASES["default"].get("OPTIONS", {})
    if _on_a_server() and str(options.get("isolation_level")).lower() != "read committed":
        return [checks.Error("The isolation level must be READ COMMITTED.", id="smartbank.E002")]
    return []


def sql_mode_is_strict(app_configs=None, **kwargs) -> list:
    """Refuse a lenient SQL mode, which would store a cut-off number without a word."""
    options = settings.DATABASES["default"].get("OPTIONS", {})
    if _on_a_server() and "STRICT_ALL_TABLES" not in str(options.get("init_command")):
        return [checks.Error("sql_mode must have STRICT_ALL_TABLES.", id="smartbank.E003")]
    return []


def production_runs_on_a_server(app_configs=None, **kwargs) -> list:
    """Refuse SQLite outside DEBUG: it has one write lock for the bank and no second machine."""
    if not settings.DEBUG and not _on_a_server():
        return [
            checks.Error(
                "With DEBUG off, SmartBank runs on MariaDB or MySQL.",
                hint="Set DATABASE_URL=mysql://user:password@host/database.",
                id="smartbank.E004",
            )
        ]
    return []


def secret_key_is_secret(app_configs=None, **kwargs) -> list:
    """Refuse a key of the demo outside DEBUG: it was written for play, and lies in its `.env`."""
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    if not settings.DEBUG and any(key.startswith(DEMO_KEY_PREFIX) for key in keys):
        return [checks.Error("SECRET_KEY is a demo's. Make your own.", id="smartbank.E005")]
    return []


def audit_has_its_keys(app_configs=None, **kwargs) -> list:
    """Refuse missing or malformed keys of the audit. With DEBUG they are made of SECRET_KEY."""
    errors = []
    for load in (keys.current, signatures.public_keys):
        try:
            load()
        except ImproperlyConfigured as error:
            hint = "Make one as .env.example says."
            errors.append(checks.Error(str(error), hint=hint, id="smartbank.E007"))
    return errors


def no_demo_users_in_production(app_configs=None, databases=None, **kwargs) -> list:
    """Refuse users whom the published demo password opens, outside DEBUG."""
    from django.contrib.auth import get_user_model

    if settings.DEBUG or not databases or not _has_table("auth_user"):
        return []
    users = get_user_model().objects.filter(username__in=DEMO_USERNAMES, is_active=True)
    found = [one.username for one in users if check_password(DEMO_PASSWORD, one.password)]
    if found:
        return [
            checks.Error(
                f"Demo users are in this database: {', '.join(found)}.",
                hint="Use an empty database, or change their passwords or deactivate them.",
                id="smartbank.E006",
            )
        ]
    return []


def server_agrees_with_the_settings(app_configs=None, databases=None, **kwargs) -> list:
    """Refuse a server whose session is not what the settings asked for."""
    if not databases or connection.vendor != "mysql":
        return []
    variable = "tx_isolation" if connection.mysql_is_mariadb else "transaction_isolation"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT @@session.{variable}, @@session.sql_mode")
        isolation, sql_mode = cursor.fetchone()
    errors = []
    if isolation != "READ-COMMITTED":
        errors.append(checks.Error(f"The session's isolation is {isolation}.", id="smartbank.E002"))
    if "STRICT_ALL_TABLES" not in sql_mode:
        errors.append(checks.Error(f"The session's sql_mode is {sql_mode}.", id="smartbank.E003"))
    return errors


def _on_a_server() -> bool:
    return settings.DATABASES["default"]["ENGINE"] == "smartbank.mysql"


def _has_table(name: str) -> bool:
    return name in connection.introspection.table_names()
