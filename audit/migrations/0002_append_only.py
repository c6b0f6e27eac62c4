from django.db import migrations

from audit import append_only


class Migration(migrations.Migration):
    """Let the database itself refuse to change or delete what happened."""

    dependencies = [("audit", "0001_initial")]

    operations = [
        migrations.RunPython(
            lambda apps, editor: append_only.protect("audit_logs"),
            lambda apps, editor: append_only.unprotect("audit_logs"),
        )
    ]
