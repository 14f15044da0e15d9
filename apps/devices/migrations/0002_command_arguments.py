from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("devices", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="command",
            name="arguments",
            field=models.JSONField(default=dict),
        ),
    ]
