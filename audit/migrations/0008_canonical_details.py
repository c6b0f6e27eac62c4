from django.db import migrations, models

import audit.models


class Migration(migrations.Migration):
    dependencies = [("audit", "0007_actions_of_customers")]

    # Only Python writes the text otherwise. SQLite would remake the table, without its triggers.
    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    model_name="auditlog",
                    name="details",
                    field=models.JSONField(default=dict, encoder=audit.models.Canonical),
                ),
            ]
        )
    ]
