"""Jobs and their leases: claimed once, never lost, ended by one attempt alone, on SQLite and on PostgreSQL."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from gatecast.errors import LedgerError, UsageError
from gatecast.prices import PriceTable
from gatecast.web import leases
from gatecast.web.leases import claim, release
from gatecast.web.settings import ServeSettings
from gatecast.web.store import Store
from gatecast.web.tables import METADATA, SCHEMA
from ledgers import execute

DAYS = np.arange("2024-01-01", "2024-05-30", dtype="datetime64[D]")
SERIES = PriceTable.from_close({"X": (100 + np.arange(len(DAYS)) % 7, DAYS)}).series[0]


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> ServeSettings:
    if request.param == "sqlite":
        return ServeSettings(database=str(tmp_path / "ledger.db"), data=tmp_path / "data", queue_limit=3, lease=0.05)
    url = request.getfixturevalue("postgres")
    Store(ServeSettings(database=url, data=tmp_path / "data")).close()
    execute(url, "TRUNCATE entries, waiting, scores, daily, by_item, jobs, sources")
    execute(url, "UPDATE head SET seq = 0, hash = :start", start="0" * 64)
    return ServeSettings(database=url, data=tmp_path / "data", queue_limit=3, lease=0.05)


@pytest.fixture
def store(settings: ServeSettings) -> Iterator[Store]:
    opened = Store(settings)
    yield opened
    opened.close()


def queued(store: Store) -> str:
    source = store.add_source("prices.csv", io.BytesIO(b"date,close\n2024-01-01,5\n"))
    return store.add_job("forecast", source.id, {"horizon": 3}).id


def test_a_server_that_ends_does_not_count_as_a_death(store: Store) -> None:
    own = queued(store)
    for _ in range(leases.MOST_DEATHS + 1):
        assert claim(store, server="s", owner="a") is not None
        release(store, owner="a", died=False)
    assert store.job(own).state == "queued"


def test_the_migrations_make_the_tables_and_a_newer_schema_is_refused(settings: ServeSettings) -> None:
    store = Store(settings)
    with store.database.reading() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "version_table": SCHEMA.version_table,
                "include_object": lambda _, name, kind, *__: kind != "table" or name in METADATA.tables,
            },
        )
        assert compare_metadata(context, METADATA) == []
    store.close()
    execute(store.database.url.render_as_string(hide_password=False), "UPDATE service_version SET version_num = '9999'")
    try:
        with pytest.raises(LedgerError, match="Use the newer gatecast"):
            Store(settings)
    finally:
        execute(
            store.database.url.render_as_string(hide_password=False),
            f"UPDATE service_version SET version_num = '{SCHEMA.revision}'",
        )


@pytest.mark.parametrize(
    "given", [{"host": "0.0.0.0"}, {"token": "short"}, {"root_path": "x/"}, {"port": 70000}, {"workers": -1}]
)
def test_settings_that_cannot_be_meant_are_refused(given: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        ServeSettings(**given)  # type: ignore[arg-type]
    assert ServeSettings(host="0.0.0.0", token="x" * 16).token == "x" * 16
