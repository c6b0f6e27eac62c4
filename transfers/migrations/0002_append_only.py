from django.db import migrations

from audit import append_only


class Migration(migrations.Migration):
    """Let the database itself refuse to change or delete a ledger entry."""

    dependencies = [("transfers", "0001_initial")]

    operations = [
        migrations.RunPython(
            lambda apps, editor: append_only.protect("ledger_entries"),
            lambda apps, editor: append_only.unprotect("ledger_entries"),
        )
    ]
