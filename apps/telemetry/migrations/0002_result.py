"""The table of results, partitioned by the day of arrival. Partitions are made ahead by `partitions_due`."""

import django.db.models.deletion
from django.db import migrations, models

TABLE = """
CREATE TABLE telemetry_result (
    arrived_on date NOT NULL,
    arrived_at timestamptz NOT NULL,
    stream_id varchar(32) NOT NULL,
    seq bigint NOT NULL,
    device_id uuid NOT NULL,
    at timestamptz NOT NULL,
    is_time_trusted boolean NOT NULL,
    line varchar(200) NOT NULL,
    item varchar(200) NOT NULL,
    product varchar(200) NOT NULL,
    lot varchar(200) NOT NULL,
    verdict varchar(20) NOT NULL,
    label varchar(200) NOT NULL,
    score_ratio double precision,
    threshold_ratio double precision,
    model_digest varchar(64),
    cannot_judge varchar(40),
    infer_ms double precision NOT NULL,
    total_ms double precision NOT NULL,
    is_in_time boolean NOT NULL,
    image_sha256 varchar(64),
    flag_reason varchar(40),
    selection_ratio double precision,
    source varchar(200) NOT NULL,
    PRIMARY KEY (arrived_on, stream_id, seq)
) PARTITION BY RANGE (arrived_on);
CREATE INDEX result_by_device_arrival ON telemetry_result (device_id, arrived_at);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("devices", "0001_initial"),
        ("telemetry", "0001_initial"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(TABLE, "DROP TABLE telemetry_result")],
            state_operations=[
                migrations.CreateModel(
                    name="Result",
                    fields=[
                        (
                            "pk",
                            models.CompositePrimaryKey(
                                "arrived_on",
                                "stream",
                                "seq",
                                blank=True,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("arrived_on", models.DateField()),
                        ("arrived_at", models.DateTimeField()),
                        ("seq", models.BigIntegerField()),
                        ("at", models.DateTimeField()),
                        ("is_time_trusted", models.BooleanField()),
                        ("line", models.CharField(max_length=200)),
                        ("item", models.CharField(max_length=200)),
                        ("product", models.CharField(max_length=200)),
                        ("lot", models.CharField(max_length=200)),
                        ("verdict", models.CharField(max_length=20)),
                        ("label", models.CharField(max_length=200)),
                        ("score_ratio", models.FloatField(null=True)),
                        ("threshold_ratio", models.FloatField(null=True)),
                        ("model_digest", models.CharField(max_length=64, null=True)),
                        ("cannot_judge", models.CharField(max_length=40, null=True)),
                        ("infer_ms", models.FloatField()),
                        ("total_ms", models.FloatField()),
                        ("is_in_time", models.BooleanField()),
                        ("image_sha256", models.CharField(max_length=64, null=True)),
                        ("flag_reason", models.CharField(max_length=40, null=True)),
                        ("selection_ratio", models.FloatField(null=True)),
                        ("source", models.CharField(blank=True, max_length=200)),
                        (
                            "device",
                            models.ForeignKey(
                                db_constraint=False,
                                db_index=False,
                                on_delete=django.db.models.deletion.DO_NOTHING,
                                related_name="+",
                                to="devices.device",
                            ),
                        ),
                        (
                            "stream",
                            models.ForeignKey(
                                db_constraint=False,
                                db_index=False,
                                on_delete=django.db.models.deletion.DO_NOTHING,
                                related_name="+",
                                to="telemetry.stream",
                            ),
                        ),
                    ],
                    options={
                        "db_table": "telemetry_result",
                        "indexes": [models.Index(fields=["device", "arrived_at"], name="result_by_device_arrival")],
                    },
                ),
            ],
        ),
    ]
