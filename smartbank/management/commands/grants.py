"""`manage.py grants`: the rights of the two database users of a bank."""

import re

from django.apps import apps
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db.models import Model

from accounts.models import BrowserSession, ThrottleWindow
from audit.models import AppendOnlyModel
from transfers.models import Notice, Payee, WebhookDelivery

READ = ["SELECT"]
ADD = ["SELECT", "INSERT"]
CHANGE = ["SELECT", "INSERT", "UPDATE"]
DELETE = ["SELECT", "INSERT", "UPDATE", "DELETE"]

# Written by migrations only.
FIXED = {"django_migrations", "django_content_type", "auth_permission"}
# Rows that may go: sessions, counts of attempts, payees, messages that were delivered, and what
# administrators do to staff.
FLEETING = {
    *("django_session", "auth_user", "auth_group", "auth_user_groups"),
    *("auth_user_user_permissions", "auth_group_permissions"),
    *(ThrottleWindow._meta.db_table, Payee._meta.db_table, BrowserSession._meta.db_table),
    *(Notice._meta.db_table, WebhookDelivery._meta.db_table),
    *("otp_totp_totpdevice", "otp_static_staticdevice", "otp_static_statictoken"),
}


class Command(BaseCommand):
    """Prints SQL; it changes nothing."""

    help = (
        "Print the SQL that gives a MariaDB or MySQL server's two users of this bank their rights: "
        "the one that serves may read, and write what it needs, table by table: what is written "
        "once it may only add to, and no table may it alter, empty or drop. The one that migrates "
        "may. Run it by hand as an administrator after each `migrate`, on existing users."
    )

    def add_arguments(self, parser):
        """Take the names of the users."""
        parser.add_argument("--serving", metavar="USER@HOST", default="smartbank@%")
        parser.add_argument("--migrating", metavar="USER@HOST", default="smartbank_migrate@%")

    def handle(self, *args, serving, migrating, **options):
        """Print the statements. Raises CommandError for a name that is none, and on SQLite."""
        database = settings.DATABASE
        if database["ENGINE"] != "smartbank.mysql":
            raise CommandError("SQLite has no users. Set DATABASE_URL to the bank's database.")
        serving, migrating = _quoted(serving), _quoted(migrating)
        name = str(database["NAME"]).replace("`", "``")
        lines = [
            f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM {serving};",
            f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM {migrating};",
            f"GRANT ALL PRIVILEGES ON `{name}`.* TO {migrating};",
            *(
                f"GRANT {', '.join(rights)} ON `{name}`.`{table}` TO {serving};"
                for table, rights in rights_of_who_serves().items()
            ),
        ]
        self.stdout.write("\n".join(lines))


def rights_of_who_serves() -> dict[str, list[str]]:
    """Return what the user that serves may do, by table. A new table is neither fixed nor
    fleeting, unless it says so here: its rows can be added and changed."""
    models = {one._meta.db_table: one for one in apps.get_models(include_auto_created=True)}
    return {
        "django_migrations": READ,
        **{table: _rights(table, models[table]) for table in sorted(models)},
    }


def _rights(table: str, model: type[Model]) -> list[str]:
    if table in FIXED:
        return READ
    if issubclass(model, AppendOnlyModel):
        return ADD
    return DELETE if table in FLEETING else CHANGE


def _quoted(user: str) -> str:
    """Return the user as SQL names it. Raises CommandError."""
    if not re.fullmatch(r"[\w.-]{1,32}@[\w.:%-]{1,60}", user, re.ASCII):
        raise CommandError(f"{user} is no USER@HOST.")
    name, _, host = user.partition("@")
    return f"'{name}'@'{host}'"
