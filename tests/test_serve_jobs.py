"""Jobs under kills, races, a full disk and a clock set back: none is lost, none has two results."""

from __future__ import annotations

import importlib.util
import io
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import select, text

from conftest import simulated_series
from gatecast.errors import LedgerError, QueueFull, TooLarge
from gatecast.ledger.database import Database
from gatecast.ledger.tables import ENTRIES
from gatecast.ledger.verify import verify
from gatecast.web import leases, store, worker
from gatecast.web.leases import MOST_DEATHS, LostJob, Vigil, beat, claim, end, release, report
from gatecast.web.settings import ServeSettings
from gatecast.web.store import Job, Store
from ledgers import recorded
from served import served

KILLS = Path(__file__).parents[1] / "benchmarks" / "serve_kills.py"
RECORD = recorded(simulated_series("ACME"), 100)


@pytest.fixture
def opened(either_database: str, tmp_path: Path) -> Iterator[Callable[..., Store]]:
    """Opens stores of one database, each as a server of its own would."""
    stores = []

    def make(**settings: Any) -> Store:
        stores.append(Store(ServeSettings(database=either_database, data=tmp_path / "data", **settings)))
        return stores[-1]

    yield make
    for each in stores:
        each.close()


def queued(where: Store, jobs: int = 1) -> list[str]:
    """The ids of jobs that wait."""
    source = where.add_place("sample:eurusd").id
    return [where.add_job("forecast", source, {"seed": seed}).id for seed in range(jobs)]


def records(where: Store) -> int:
    with where.database.reading() as connection:
        return len(connection.execute(select(ENTRIES.c.seq)).all())


def finish(where: Store, job: Job, owner: str) -> None:
    end(where, job, owner, state="done", seconds=1.0, made=True, records=[RECORD.model_copy(update={"seed": job.seq})])


def test_many_claimers_on_two_servers_begin_each_job_once(opened: Callable[..., Store]) -> None:
    first, second = opened(), opened()
    ids = queued(first, 12)

    def work(number: int) -> list[str]:
        mine, where = [], (first, second)[number % 2]
        while (job := claim(where, server=f"s{number % 2}", owner=f"o{number}")) is not None:
            finish(where, job, f"o{number}")
            mine.append(job.id)
        return mine

    with ThreadPoolExecutor(4) as pool:
        done = [own for mine in pool.map(work, range(4)) for own in mine]
    left = claim(first, server="s", owner="late")  # a claimer may pass by a row that another holds at that moment
    assert left is None
    assert sorted(done) == sorted(ids)
    assert records(first) == verify(first.database).rows == 12


def test_the_queue_is_bounded_for_all_who_ask_at_once(opened: Callable[..., Store]) -> None:
    stores = [opened(queue_limit=5), opened(queue_limit=5)]
    source = stores[0].add_place("sample:eurusd").id

    def ask(number: int) -> int:
        try:
            stores[number % 2].add_job("forecast", source, {})
        except QueueFull as full:
            assert full.seconds >= 1
            return 0
        return 1

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(ask, range(16))) == 5
    assert stores[1].counts() == {"queued": 5}


def test_who_was_thought_dead_changes_nothing(opened: Callable[..., Store], monkeypatch: pytest.MonkeyPatch) -> None:
    """Its server stood still for longer than a lease; its worker ends the job when another has it already."""
    here, there = opened(lease=5.0), opened(lease=5.0)
    (own,) = queued(here)
    old = claim(here, server="here", owner="old")
    assert old is not None
    vigil, moment = Vigil(there), [100.0]
    monkeypatch.setattr(leases.time, "monotonic", lambda: moment[0])
    assert vigil.give_back() == 0
    moment[0] += 4.0
    beat(here, "here")
    assert vigil.give_back() == 0
    moment[0] += 5.5
    assert vigil.give_back() == 1
    new = claim(there, server="there", owner="new")
    assert new is not None and new.attempt == 2
    assert new.folder != old.folder
    for act in (
        lambda: report(here, old, "old", {"phase": "training"}),
        lambda: end(here, old, "old", state="failed", seconds=1.0, error="late"),
        lambda: finish(here, old, "old"),
    ):
        with pytest.raises(LostJob):
            act()
    assert release(here, owner="old", died=True) == 0
    finish(there, new, "new")
    with pytest.raises(LostJob):
        finish(there, new, "new")
    assert there.job(own).state == "done"
    assert records(here) == 1


def test_a_clock_set_back_loses_and_doubles_nothing(
    opened: Callable[..., Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    where = opened(lease=5.0)
    (own,) = queued(where)
    before = where.job(own)
    past = datetime(2001, 1, 1, tzinfo=UTC)
    for module in (leases, store):
        monkeypatch.setattr(module, "now", lambda: past)
    monkeypatch.setattr(time, "time", past.timestamp)
    vigil = Vigil(where)
    job = claim(where, server="s", owner="o")
    assert job is not None
    assert claim(where, server="s", owner="p") is None
    assert vigil.give_back() == vigil.give_back() == 0
    (later,) = queued(where)
    finish(where, job, "o")
    ended = where.job(own)
    assert ended.state == "done" and ended.finished is not None and ended.finished < before.created
    assert [job.id for job in where.jobs()] == [later, own]  # in the order in which they were asked for
    assert claim(where, server="s", owner="o").id == later  # type: ignore[union-attr]
    assert records(where) == verify(where.database).rows == 1


def test_a_job_that_kills_its_workers_fails_with_a_line(opened: Callable[..., Store]) -> None:
    where = opened()
    (own,) = queued(where)
    for _ in range(MOST_DEATHS):
        assert where.job(own).state == "queued"
        assert claim(where, server="s", owner="o") is not None
        assert release(where, owner="o", died=True) == 1
    ended = where.job(own)
    assert ended.state == "failed" and ended.error is not None and "Ask for less" in ended.error
    assert claim(where, server="s", owner="o") is None


def test_a_stop_ends_what_waits_and_tells_what_runs(opened: Callable[..., Store]) -> None:
    where = opened()
    waiting, running = queued(where, 2)[::-1]
    job = claim(where, server="s", owner="o")
    assert job is not None and job.id == running
    assert report(where, job, "o", {"phase": "training"}) is False
    assert where.cancel(waiting).state == "stopped"
    assert where.cancel(running).state == "running"
    assert report(where, job, "o", {"phase": "training"}) is True
    assert release(where, owner="o", died=True) == 1
    assert where.job(running).state == "stopped"  # the worker died before it could stop: nobody begins it again
    assert claim(where, server="s", owner="o") is None


def test_a_newer_database_is_refused(opened: Callable[..., Store]) -> None:
    where = opened()
    with where.database.changing() as connection:
        connection.execute(text("UPDATE service_version SET version_num = '9999'"))
    with pytest.raises(LedgerError, match="newer"):
        opened()


class _Failing(io.BytesIO):
    """A stream that breaks in the middle."""

    def read(self, size: int | None = -1, /) -> bytes:
        if found := super().read(size):
            return found
        raise OSError(28, "No space left on device")


def test_a_source_that_could_not_be_kept_leaves_nothing(tmp_path: Path) -> None:
    where = Store(ServeSettings(database=str(tmp_path / "ledger.db"), data=tmp_path / "data", upload_limit=1500))
    with pytest.raises(TooLarge):
        where.add_source("a.csv", _Endless())
    with pytest.raises(OSError, match="No space"):
        where.add_source("a.csv", _Failing(b"x" * 1000))
    assert list(where.sources_folder.iterdir()) == []
    where.close()


class _Endless(io.BytesIO):
    def read(self, size: int | None = -1, /) -> bytes:
        return b"x" * 1000


def test_what_a_killed_attempt_left_goes_when_the_job_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gatecast.web import work

    where = Store(ServeSettings(database=str(tmp_path / "ledger.db"), data=tmp_path / "data"))
    queued(where)
    first = claim(where, server="s", owner="o")
    assert first is not None
    first.folder.mkdir(parents=True)
    (first.folder / "half.csv").write_bytes(b"half")
    release(where, owner="o", died=True)
    second = claim(where, server="s", owner="p")
    assert second is not None

    def made(job: Job, *_: object) -> work.Made:
        job.folder.mkdir()
        (job.folder / "result.json").write_bytes(b"{}")
        return work.Made(records=(RECORD,), stopped=False)

    monkeypatch.setattr(work, "perform", made)
    worker.do(where, second, "p")
    assert [path.name for path in second.folder.parent.iterdir()] == ["2"]
    assert (where.job(second.id).folder / "result.json").is_file()
    where.close()


def kills_benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("serve_kills", KILLS)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look themselves up
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow(reason="servers and workers are killed and start again, each of which loads torch")
@pytest.mark.timeout(600)
def test_kills_of_servers_and_workers_lose_and_double_nothing(either_database: str, tmp_path: Path) -> None:
    """Two servers on one database; `benchmarks/serve_kills.py` does the same for as long as one likes."""
    found = kills_benchmark().trial(tmp_path, either_database, kills=4, servers=2, seed=1)
    assert found.lost == found.twice == found.wrong == []
    assert len(found.accepted) > 2
    assert found.rows >= len(found.accepted)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 80 MB, where mounting is allowed."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=80m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, check=False, timeout=30)
    except FileNotFoundError:
        pytest.skip("needs mount")
    if done.returncode:
        pytest.skip("needs to mount a tmpfs, which is not allowed here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=False, capture_output=True, timeout=30)


def call(site: str, path: str, value: object = None, body: bytes | None = None, kind: str = "json") -> tuple[int, Any]:
    """Status and answer."""
    sent = body if value is None else json.dumps(value).encode()
    request = urllib.request.Request(site + path, sent, {"content-type": f"application/{kind}"})
    try:
        with urllib.request.urlopen(request, timeout=90) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def settled(site: str, job: str, seconds: float = 120.0) -> dict[str, Any]:
    """A job once it has ended, or as it is when the time is over."""
    until = time.monotonic() + seconds
    while True:
        _, found = call(site, f"/api/v1/jobs/{job}")
        if found.get("state") in store.ENDED or time.monotonic() > until:
            return dict(found)
        time.sleep(0.3)


@pytest.mark.slow(reason="a server and its worker, which loads torch, go on when a full disk has room again")
def test_a_full_disk_is_said_and_no_accepted_job_is_lost(small_disk: Path) -> None:
    ask = {"horizon": 2, "paths": 50, "verdict": False, "preset": "base"}
    with served(small_disk, workers=1) as site:
        form = "x-www-form-urlencoded"
        _, source = call(site, "/api/v1/sources", body=b"sample=eurusd", kind=form)
        status, first = call(site, "/api/v1/jobs", {**ask, "source": source["id"]})
        assert status == 202 and settled(site, first["id"])["state"] == "done"
        status, second = call(site, "/api/v1/jobs", {**ask, "source": source["id"], "seed": 1})
        assert status == 202
        fill = small_disk / "fill"
        with pytest.raises(OSError, match="No space"), fill.open("wb", buffering=0) as file:
            while file.write(b"x" * 4096) == 4096:
                pass
            file.write(b"x")
        text_of = "date,close\n" + "\n".join(f"2024-01-{day:02},{day}" for day in range(1, 29)) * 2000
        status, answer = call(site, "/api/v1/sources", body=f"text={text_of}".encode(), kind=form)
        assert status in (503, 507) and "free some space" in answer["error"].lower()
        status, answer = call(site, "/health")
        assert status == 200
        fill.unlink()
        ended = settled(site, second["id"])
        assert ended["state"] in ("done", "failed") and (ended["error"] is None or "space" in ended["error"])
        status, third = call(site, "/api/v1/jobs", {**ask, "source": source["id"], "seed": 2})
        assert status == 202 and settled(site, third["id"])["state"] == "done"
    with Database(str(small_disk / "ledger.db")) as ledger:
        assert verify(ledger).rows == 2 + (ended["state"] == "done")
