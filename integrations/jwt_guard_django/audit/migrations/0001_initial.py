"""The tables of the audit log."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Makes them."""

    initial = True

    dependencies = []  # noqa: RUF012 - as Django writes it

    operations = [  # noqa: RUF012 - as Django writes it
        migrations.CreateModel(
            name="Head",
            fields=[
                ("id", models.IntegerField(primary_key=True, serialize=False)),
                ("head", models.TextField()),
            ],
            options={
                "verbose_name": "audit head",
            },
        ),
        migrations.CreateModel(
            name="Record",
            fields=[
                ("sequence", models.BigIntegerField(primary_key=True, serialize=False)),
                ("time", models.FloatField(db_index=True)),
                ("name", models.CharField(db_index=True, max_length=64)),
                ("reason", models.CharField(max_length=64, null=True)),
                ("subject", models.CharField(db_index=True, max_length=256, null=True)),
                ("address", models.CharField(max_length=64, null=True)),
                ("record", models.TextField()),
            ],
            options={
                "verbose_name": "audit record",
                "ordering": ("-sequence",),
            },
        ),
    ]
