"""The tables of the store."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Makes them."""

    initial = True

    dependencies = []  # noqa: RUF012 - as Django writes it

    operations = [  # noqa: RUF012 - as Django writes it
        migrations.CreateModel(
            name="CutOff",
            fields=[
                ("key", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("at", models.BigIntegerField()),
                ("until", models.BigIntegerField(db_index=True)),
            ],
            options={
                "verbose_name": "cut-off",
            },
        ),
        migrations.CreateModel(
            name="Session",
            fields=[
                ("sid", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("subject", models.CharField(db_index=True, max_length=255)),
                ("client_id", models.CharField(max_length=255)),
                ("tenant", models.CharField(max_length=255, null=True)),
                ("roles", models.JSONField()),
                ("scopes", models.JSONField()),
                ("auth_time", models.BigIntegerField()),
                ("acr", models.CharField(max_length=255, null=True)),
                ("amr", models.JSONField()),
                ("claims", models.JSONField()),
                ("device", models.CharField(max_length=255, null=True)),
                ("thumbprint", models.CharField(max_length=255, null=True)),
                ("salt", models.CharField(max_length=64)),
                ("created_at", models.BigIntegerField()),
                ("expires_at", models.BigIntegerField()),
                ("generation", models.BigIntegerField()),
                ("branch", models.BigIntegerField()),
                ("presented_at", models.BigIntegerField(null=True)),
                ("used_at", models.BigIntegerField()),
                ("idle_expires_at", models.BigIntegerField(db_index=True)),
                ("agent", models.CharField(max_length=255, null=True)),
                ("place", models.CharField(max_length=255, null=True)),
                ("ended_at", models.BigIntegerField(null=True)),
                ("end_reason", models.CharField(max_length=64, null=True)),
                ("version", models.IntegerField()),
            ],
            options={
                "verbose_name": "session",
            },
        ),
        migrations.CreateModel(
            name="Tally",
            fields=[
                ("key", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("count", models.BigIntegerField()),
                ("until", models.BigIntegerField(db_index=True)),
            ],
            options={
                "verbose_name": "tally",
                "verbose_name_plural": "tallies",
            },
        ),
    ]
