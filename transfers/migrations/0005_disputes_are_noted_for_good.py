from django.db import migrations

from audit import append_only


def open_the_known(apps, editor):
    """Open a dispute for each receipt that was disputed before there were any."""
    Transfer = apps.get_model("transfers", "Transfer")
    Dispute = apps.get_model("transfers", "Dispute")
    AuditLog = apps.get_model("audit", "AuditLog")
    told = AuditLog.objects.filter(action="receipt.disputed").values_list("object_id", "created_at")
    for public_id, opened_at in told.iterator():
        transfer = Transfer.objects.get(public_id=public_id)
        Dispute.objects.create(transfer=transfer, opened_at=opened_at)


class Migration(migrations.Migration):
    """Let the database itself refuse to change notes, and open disputes for earlier receipts."""

    dependencies = [("transfers", "0004_disputes"), ("audit", "0002_append_only")]

    operations = [
        migrations.RunPython(open_the_known, migrations.RunPython.noop),
        migrations.RunPython(
            lambda apps, editor: append_only.protect("dispute_notes"),
            lambda apps, editor: append_only.unprotect("dispute_notes"),
        ),
    ]
