from django.db import migrations

DEVICE_SILENT_S = 90


def seed(apps, _schema_editor):
    apps.get_model("alerts", "Rule").objects.get_or_create(
        kind="device_silent", defaults={"limit": DEVICE_SILENT_S, "severity": "act_this_shift"}
    )


class Migration(migrations.Migration):
    dependencies = [("alerts", "0001_initial")]

    operations = [migrations.RunPython(seed, migrations.RunPython.noop)]
