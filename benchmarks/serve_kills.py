"""Kill -9 of servers and of their workers at random moments while they forecast: is a job lost, or done twice?

Jobs are brought all the while through the API of a server that is up; some are base networks, some train, so that kills
hit reading, training, writing and the ledger alike. Once every server may live again, each job that was accepted must
end, with one result of its own and one record in the ledger, whose chain is then verified.

    python benchmarks/serve_kills.py [--kills 40] [--servers 2] [--database postgresql://...] [--seed 0]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import func, select

from gatecast.ledger.database import Database
from gatecast.ledger.tables import ENTRIES
from gatecast.ledger.verify import verify
from gatecast.web.settings import ServeSettings
from gatecast.web.store import ENDED, Store
from gatecast.web.tables import JOBS

LEASE = 3.0  # seconds; short, so that jobs of a killed server are found again soon
_STARTS = 90.0  # seconds for a server to answer
_ENDS = 300.0  # seconds for the jobs that are left to end
_SERVER = """
import json, sys
from pathlib import Path
from gatecast.web.server import serve
from gatecast.web.settings import ServeSettings
told = json.loads(sys.argv[1])
serve(ServeSettings(**{**told, "data": Path(told["data"])}))
"""
TRAINED = {"preset": "quick", "settings": ["hidden=6", "context_length=10", "epochs=60", "patience=0"]}


@dataclass
class Server:
    """A server of the database under trial, that is killed and started again."""

    settings: Mapping[str, Any]
    log: Path
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Begin it; `wait` until it answers."""
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port = int(found.getsockname()[1])
        told = json.dumps({**self.settings, "port": self.port})
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(self.log.parent / "cache")}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _SERVER, told], stdout=log, stderr=log, env=environment
            )

    def wait(self) -> None:
        """Until it answers; raises `RuntimeError` where it does not."""
        end = time.monotonic() + _STARTS
        while time.monotonic() < end and self.process is not None and self.process.poll() is None:
            if self.call("/health") is not None:
                return
            time.sleep(0.1)
        raise RuntimeError(f"a server did not start; see {self.log}")

    def call(self, path: str, value: object = None) -> Any:
        """The answer of the API; None where there is none."""
        body = None if value is None else json.dumps(value).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", body, {"content-type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)
        except (OSError, urllib.error.URLError, ValueError):
            return None

    def workers(self) -> list[int]:
        """The processes of its workers."""
        if self.process is None:
            return []
        found = []
        for child in _children(self.process.pid):
            try:
                if b"gatecast.web.worker" in Path(f"/proc/{child}/cmdline").read_bytes():
                    found.append(child)
            except OSError:
                continue
        return found

    def kill(self) -> None:
        """Kill -9."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()


@dataclass
class Trial:
    """What came of it."""

    kills: Counter[str] = field(default_factory=Counter)
    accepted: dict[str, int] = field(default_factory=dict)  # id of a job: its seed
    attempts: int = 0
    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)  # one line each
    rows: int = 0  # of the ledger, verified

    def lines(self) -> list[str]:
        """The trial in words."""
        killed = ", ".join(f"{count} of a {what}" for what, count in sorted(self.kills.items()))
        return [
            f"kills: {sum(self.kills.values())} ({killed})",
            f"jobs accepted: {len(self.accepted)}, begun {self.attempts} times",
            f"lost: {len(self.lost)}, with two results: {len(self.twice)}, wrong otherwise: {len(self.wrong)}",
            f"ledger: {self.rows} rows, verified",
            *self.wrong,
        ]


def trial(folder: Path, database: str, *, kills: int, servers: int = 2, seed: int = 0) -> Trial:
    """Kill so often, at random moments; `folder` takes logs, sources and results."""
    rng, found = random.Random(seed), Trial()
    told = {"database": database, "data": str(folder / "data"), "workers": 1, "lease": LEASE, "queue_limit": 1000}
    fleet = [Server(settings=told, log=folder / f"server-{number}.log") for number in range(servers)]
    try:
        for server in fleet:
            server.start()
        for server in fleet:
            server.wait()
        source = _bring(told)
        begun = 0
        for _ in range(kills):
            for _ in range(2):
                _submit(fleet, source, found, rng)
            _await(told, lambda store, before=begun: _begun(store) > before, _STARTS)  # a job is begun, once more
            time.sleep(rng.uniform(0.0, 2.0))
            begun = _total(told)
            _kill(fleet, found, rng)
        _await(told, _have_ended, _ENDS)
        for server in fleet:
            server.wait()
    finally:
        for server in fleet:
            server.kill()
    _check(found, told)
    return found


def _bring(told: Mapping[str, Any]) -> str:
    days = pd.bdate_range("2023-01-02", periods=320)
    close = 40 * np.exp(np.cumsum(np.random.default_rng(5).normal(0, 0.012, len(days))))
    path = Path(told["data"]) / "prices.csv"
    path.write_bytes(pd.DataFrame({"date": days, "close": close.round(3)}).to_csv(index=False).encode())
    store = _store(told)
    with path.open("rb") as stream:
        source = store.add_source("acme.csv", stream)
    store.close()
    return source.id


def _store(told: Mapping[str, Any]) -> Store:
    return Store(ServeSettings(**{**told, "data": Path(told["data"])}))


def _submit(fleet: Sequence[Server], source: str, found: Trial, rng: random.Random) -> None:
    """Ask for a job; without an answer it is not promised, and its seed is asked for only once all the same."""
    seed = rng.randrange(2**40)
    asked = {"source": source, "horizon": 2, "paths": 50, "verdict": False, "seed": seed, "preset": "base"}
    asked = asked if rng.random() < 0.5 else {**asked, **TRAINED}
    server = next((server for server in rng.sample(fleet, len(fleet)) if server.call("/health")), None)
    answer = None if server is None else server.call("/api/v1/jobs", asked)
    if answer is not None:
        found.accepted[answer["id"]] = seed


def _kill(fleet: list[Server], found: Trial, rng: random.Random) -> None:
    server = rng.choice(fleet)
    workers = server.workers()
    if workers and rng.random() < 0.6:
        try:
            os.kill(rng.choice(workers), signal.SIGKILL)
        except ProcessLookupError:
            return
        found.kills["worker"] += 1
        return
    server.kill()
    found.kills["server"] += 1
    server.start()
    if len(fleet) == 1:
        server.wait()


def _children(parent: int) -> list[int]:
    found: list[int] = []
    for thread in Path(f"/proc/{parent}/task").glob("*/children"):
        try:
            found += map(int, thread.read_text().split())
        except OSError:
            continue
    return found


def _await(told: Mapping[str, Any], reached: Callable[[Store], bool], seconds: float) -> None:
    """Until the jobs are so, or the time is over."""
    store, end = _store(told), time.monotonic() + seconds
    while not reached(store) and time.monotonic() < end:
        time.sleep(0.1)
    store.close()


def _have_ended(store: Store) -> bool:
    return all(state in ENDED or not count for state, count in store.counts().items())


def _begun(store: Store) -> int:
    """How often jobs were begun."""
    with store.database.reading() as connection:
        return int(connection.execute(select(func.coalesce(func.sum(JOBS.c.attempt), 0))).scalar_one())


def _total(told: Mapping[str, Any]) -> int:
    store = _store(told)
    found = _begun(store)
    store.close()
    return found


def _check(found: Trial, told: Mapping[str, Any]) -> None:
    """Hold jobs, results and ledger against each other."""
    store = _store(told)
    with store.database.reading() as connection:
        rows = {row.id: row for row in connection.execute(select(JOBS))}
        entries = connection.execute(select(ENTRIES.c.content).where(ENTRIES.c.kind == "forecast")).scalars()
        recorded = Counter(int(json.loads(content)["seed"]) for content in entries)
    found.attempts = sum(row.attempt for row in rows.values())
    found.lost = [own for own in found.accepted if own not in rows or rows[own].state not in ENDED]
    for own, row in rows.items():
        seed = json.loads(row.request)["seed"]
        if recorded[seed] > 1:
            found.twice.append(own)
        if row.state == "failed":
            found.wrong.append(f"job {own} failed: {row.error}")
        elif row.state != "done" or recorded[seed] < 1:
            found.wrong.append(f"job {own} is {row.state} with {recorded[seed]} records")
        else:
            made = json.loads((store.job(own).folder / "result.json").read_bytes())
            if made["seed"] != seed:
                found.wrong.append(f"job {own} has the result of another")
    if left := set(recorded) - {json.loads(row.request)["seed"] for row in rows.values()}:
        found.wrong.append(f"{len(left)} records belong to no job")
    store.close()
    with Database(told["database"]) as ledger:
        found.rows = verify(ledger).rows


def main() -> int:
    """Print what was found; 1 where anything was lost, done twice or wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--servers", type=int, default=2)
    parser.add_argument("--database", help="a PostgreSQL that is empty; a SQLite file of its own unless given")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gatecast-") as name:
        database = given.database or str(Path(name) / "ledger.db")
        found = trial(Path(name), database, kills=given.kills, servers=given.servers, seed=given.seed)
    print("\n".join(found.lines()))
    return int(bool(found.lost or found.twice or found.wrong))


if __name__ == "__main__":
    sys.exit(main())
