"""Jobs and their leases: claimed once, never lost, ended by one attempt alone, on SQLite and on PostgreSQL."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from gatecast.errors import LedgerError, NotFound, QueueFull, TooLarge, UsageError
from gatecast.ledger.verify import verify
from gatecast.prices import PriceTable
from gatecast.web import leases
from gatecast.web.leases import LostJob, Vigil, claim, end, release, report
from gatecast.web.settings import ServeSettings
from gatecast.web.store import Store, file_name
from gatecast.web.tables import METADATA, SCHEMA
from ledgers import execute, recorded

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


def test_a_job_is_claimed_once_by_many_workers(store: Store) -> None:
    own = queued(store)
    claimed = []
    threads = [
        threading.Thread(target=lambda name=name: claimed.append(claim(store, server="s", owner=name)))
        for name in "abcdef"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [job.id for job in claimed if job is not None] == [own]


def test_only_the_last_attempt_ends_a_job_and_its_forecast_is_recorded_once(store: Store) -> None:
    queued(store)
    first = claim(store, server="s", owner="a")
    assert first is not None
    assert release(store, owner="a", died=True) == 1
    second = claim(store, server="s", owner="b")
    assert second is not None and second.id == first.id and second.attempt == first.attempt + 1
    records = [recorded(SERIES, 100)]
    with pytest.raises(LostJob):
        report(store, first, "a", {"phase": "training"})
    with pytest.raises(LostJob):
        end(store, first, "a", state="done", seconds=1.0, made=True, records=records)
    assert verify(store.database).rows == 0
    end(store, second, "b", state="done", seconds=1.0, made=True, records=records)
    with pytest.raises(LostJob):
        end(store, second, "b", state="done", seconds=1.0, made=True, records=records)
    job = store.job(first.id)
    assert (job.state, job.has_result, job.folder.name) == ("done", True, "2")
    assert verify(store.database).rows == 1


def test_a_job_whose_server_is_gone_is_given_back_though_the_clock_goes_backwards(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(datetime(2030, 1, 1, tzinfo=UTC) - timedelta(days=day) for day in range(10_000))
    monkeypatch.setattr(leases, "now", lambda: next(clock))
    own = queued(store)
    assert claim(store, server="s", owner="a") is not None
    vigil = Vigil(store)
    assert vigil.give_back() == 0  # seen for the first time
    leases.beat(store, "s")
    threading.Event().wait(0.1)
    assert vigil.give_back() == 0  # it has beaten since
    threading.Event().wait(0.1)
    assert vigil.give_back() == 1
    assert store.job(own).state == "queued"
    assert claim(store, server="t", owner="b") is not None


def test_a_job_that_kills_its_workers_fails_in_the_end(store: Store) -> None:
    own = queued(store)
    for _ in range(leases.MOST_DEATHS):
        assert claim(store, server="s", owner="a") is not None
        release(store, owner="a", died=True)
    job = store.job(own)
    assert job.state == "failed" and job.error is not None and "died" in job.error
    assert claim(store, server="s", owner="a") is None


def test_a_server_that_ends_does_not_count_as_a_death(store: Store) -> None:
    own = queued(store)
    for _ in range(leases.MOST_DEATHS + 1):
        assert claim(store, server="s", owner="a") is not None
        release(store, owner="a", died=False)
    assert store.job(own).state == "queued"


def test_a_stop_ends_what_waits_and_asks_what_runs(store: Store) -> None:
    own = queued(store)
    assert store.cancel(own).state == "stopped"
    other = queued(store)
    running = claim(store, server="s", owner="a")
    assert running is not None and running.id == other
    assert not report(store, running, "a", {"phase": "training"})
    assert store.cancel(other).stopping
    assert report(store, running, "a", {"phase": "training"})


def test_the_queue_is_bounded(store: Store) -> None:
    for _ in range(3):
        queued(store)
    with pytest.raises(QueueFull, match="Come back in") as refused:
        queued(store)
    assert refused.value.seconds >= 1
    assert store.counts() == {"queued": 3}


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
            store.database.url.render_as_string(hide_password=False), "UPDATE service_version SET version_num = '0001'"
        )


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "..\\..\\x.csv", "<script>alert(1)</script>.csv", ".", "\u202efdp.csv", "a" * 999, "x\0.csv"],
)
def test_a_hostile_name_stays_in_its_folder(name: str, tmp_path: Path) -> None:
    store = Store(ServeSettings(database=str(tmp_path / "l.db"), data=tmp_path / "data"))
    path = Path(store.add_source(name, io.BytesIO(b"x")).place)
    assert path.is_file() and path.parent.parent == tmp_path / "data" / "sources"
    assert not set(file_name(name)) & set("<>/\\\0\u202e\"'`")
    store.close()


def test_a_source_over_the_bound_leaves_nothing(tmp_path: Path) -> None:
    store = Store(ServeSettings(database=str(tmp_path / "l.db"), data=tmp_path / "data", upload_limit=10))
    with pytest.raises(TooLarge):
        store.add_source("x.csv", io.BytesIO(b"x" * 11))
    assert list((tmp_path / "data" / "sources").iterdir()) == []
    with pytest.raises(NotFound):
        store.source("0" * 16)
    with pytest.raises(NotFound):
        store.job("../../../etc")
    store.close()


@pytest.mark.parametrize(
    "given", [{"host": "0.0.0.0"}, {"token": "short"}, {"root_path": "x/"}, {"port": 70000}, {"workers": -1}]
)
def test_settings_that_cannot_be_meant_are_refused(given: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        ServeSettings(**given)  # type: ignore[arg-type]
    assert ServeSettings(host="0.0.0.0", token="x" * 16).token == "x" * 16
