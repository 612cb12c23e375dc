"""Kills servers and workers of `gatecast serve` at random moments, and counts what was lost or done twice.

Jobs that train are submitted; at each moment a server or one of its workers gets SIGKILL, and a killed server is
started again. At the end every job that was accepted must be done, recorded once, and the ledger unbroken.

    python benchmarks/serve_kills.py [--kills 40] [--servers 1] [--database URL] [--seed 0]
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
import urllib.request
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import select

from gatecast.ledger.database import Database
from gatecast.ledger.tables import ENTRIES
from gatecast.ledger.verify import verify

TRAINING = ["context_length=10", "hidden=6", "epochs=60", "batch=4", "patience=0"]  # a second or two
PATIENCE = 240.0  # seconds for the jobs to end after the last kill
_SERVE = (
    "import json, sys; from pathlib import Path; from gatecast.web.server import serve; "
    "from gatecast.web.settings import ServeSettings; given = json.loads(sys.argv[1]); "
    "serve(ServeSettings(**{**given, 'data': Path(given['data'])}))"
)


@dataclass
class Server:
    """A server in a process of its own; `settings` are fields of `ServeSettings`."""

    settings: dict[str, Any]
    port: int = 0
    process: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.start()

    def start(self) -> None:
        """Start it and wait until it answers."""
        given = json.dumps({**self.settings, "port": self.port})
        self.process = subprocess.Popen(
            [sys.executable, "-c", _SERVE, given], stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
        )
        until = time.monotonic() + 60
        while time.monotonic() < until:
            with suppress(OSError):
                self.ask("/health")
                return
            time.sleep(0.1)
        raise RuntimeError("the server did not start")

    def ask(self, path: str, document: object = None) -> Any:
        """The JSON answer to GET, or to POST of a document; raises `OSError`."""
        body = None if document is None else json.dumps(document).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", data=body, headers={"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())

    def bring(self, text: str) -> str:
        """The id of a pasted table."""
        parts = [f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
                 for name, value in (("name", "prices.csv"), ("text", text))]  # fmt: skip
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/api/v1/sources",
            data=("".join(parts) + "--x--\r\n").encode(),
            headers={"content-type": "multipart/form-data; boundary=x"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return str(json.loads(answer.read())["id"])

    def workers(self) -> list[int]:
        """The process ids of its workers."""
        found = []
        for task in Path(f"/proc/{self.process.pid}/task").glob("*/children"):
            with suppress(OSError):
                found += [int(pid) for pid in task.read_text().split()]
        mine = []
        for pid in found:
            with suppress(OSError):
                if b"gatecast.web.worker" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    mine.append(pid)
        return mine

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait()


def prices(rows: int = 200) -> str:
    """A random walk as CSV."""
    rng, price, lines = random.Random(1), 100.0, ["date,close"]
    for day in range(rows):
        price *= 1 + rng.gauss(0, 0.01)
        lines.append(f"{time.strftime('%Y-%m-%d', time.gmtime(86400 * (18000 + day)))},{price:.4f}")
    return "\n".join(lines)


def run_kills(
    kills: int, folder: Path, *, database: str | None = None, servers: int = 1, seed: int = 0, jobs: int = 0
) -> dict[str, Any]:
    """Do it; counts of jobs by state, of jobs recorded more or less than once, and the rows of the verified ledger."""
    rng = random.Random(seed)
    url = database or str(folder / "ledger.db")
    settings = {"database": url, "data": str(folder / "data"), "workers": 1, "lease": 4.0, "queue_limit": 500}
    running = [Server(settings) for _ in range(servers)]
    killed: Counter[str] = Counter()
    try:
        source = running[0].bring(prices())
        accepted: list[str] = []
        for number in range(jobs or max(6, kills)):
            accepted.append(running[number % servers].ask("/api/v1/jobs", _job(source, number))["id"])
        for _ in range(kills):
            time.sleep(rng.uniform(0.2, 4.0))
            server = rng.choice(running)
            workers = server.workers()
            if workers and rng.random() < 0.5:
                os.kill(rng.choice(workers), signal.SIGKILL)
                killed["worker"] += 1
            else:
                server.kill()
                server.start()
                killed["server"] += 1
        until = time.monotonic() + PATIENCE
        while True:
            found = [running[0].ask(f"/api/v1/jobs/{own}") for own in accepted]
            if all(job["state"] in ("done", "failed", "stopped") for job in found) or time.monotonic() > until:
                break
            time.sleep(0.5)
        whole = sum("json" in job["files"] and "csv" in job["files"] for job in found)
    finally:
        for server in running:
            server.process.terminate()
            server.process.wait(30)
    with Database(url) as opened, opened.reading() as connection:
        contents = connection.execute(select(ENTRIES.c.content).where(ENTRIES.c.kind == "forecast")).scalars()
        recorded = Counter(json.loads(content)["seed"] for content in contents)
        rows = verify(opened).rows
    return {
        "kills": dict(killed),
        "jobs": len(accepted),
        "states": dict(Counter(job["state"] for job in found)),
        "errors": sorted({job["error"] for job in found if job["error"]}),
        "with_whole_results": whole,
        "not_recorded_once": sum(recorded[number] != 1 for number in range(len(accepted))),
        "ledger_rows": rows,
    }


def _job(source: str, seed: int) -> dict[str, Any]:
    return {
        "source": source, "preset": "quick", "settings": TRAINING, "horizon": 3, "paths": 50, "verdict": False,
        "seed": seed,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--servers", type=int, default=1)
    parser.add_argument("--database", default=None)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(run_kills(given.kills, Path(folder), database=given.database, servers=given.servers,
                                   seed=given.seed)))  # fmt: skip


if __name__ == "__main__":
    main()
