"""Many clients at once on loopback, reading and bringing jobs while all workers are busy: how long are the answers?

Each client opens the page and the API in turn and asks for a forecast now and then, until the time is over. Prints the
median and the 99th percentile of the answers, of the page alone too, how many were 5xx or none at all, how many jobs
were refused by the full queue, and the longest queue. Writes benchmarks/results/serving.json.

    python benchmarks/serving.py [--clients 200] [--seconds 60] [--workers 2]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np

ROOT = Path(__file__).parents[1]
_STARTS = 90.0  # seconds
THINK = 1.0  # seconds that a client waits between two requests, on average
ASKS = 0.05  # share of requests that ask for a forecast
BUSY = {"preset": "reference", "verdict": True, "horizon": 5, "paths": 500}  # keeps a worker for minutes


@dataclass
class Load:
    """What the clients saw."""

    seconds: dict[str, list[float]] = field(default_factory=dict)  # by route
    statuses: Counter[int] = field(default_factory=Counter)  # 0: no answer
    queued: list[int] = field(default_factory=list)

    def document(self) -> dict[str, object]:
        """In numbers."""
        pages = [value for route, found in self.seconds.items() if not route.startswith("/api") for value in found]
        every = [value for found in self.seconds.values() for value in found]
        return {
            "requests": len(every),
            "median": _rounded(every, 50),
            "p99": _rounded(every, 99),
            "page_median": _rounded(pages, 50),
            "page_p99": _rounded(pages, 99),
            "errors_5xx": sum(count for status, count in self.statuses.items() if status >= 500),
            "unanswered": self.statuses[0],
            "accepted": self.statuses[202],
            "refused_429": self.statuses[429],
            "other_4xx": sum(count for status, count in self.statuses.items() if 400 <= status < 500 and status != 429),
            "longest_queue": max(self.queued, default=0),
        }


def _rounded(values: list[float], percent: float) -> float:
    return round(float(np.percentile(values, percent)), 4) if values else 0.0


async def _client(site: str, source: str, job: str, load: Load, until: float, seed: int) -> None:
    rng = random.Random(seed)
    pages = ["/", f"/sources/{source}", f"/jobs/{job}", "/jobs", "/static/web.css"]
    reads = ["/api/v1/jobs", f"/api/v1/jobs/{job}", f"/api/v1/sources/{source}", "/api/v1/ledger", "/api/v1/samples"]
    async with httpx.AsyncClient(base_url=site, timeout=60.0) as client:
        await asyncio.sleep(rng.uniform(0, THINK))
        while time.monotonic() < until:
            asks = rng.random() < ASKS
            path = "/api/v1/jobs" if asks else rng.choice(pages + reads)
            began = time.perf_counter()
            try:
                if asks:
                    answer = await client.post(path, json={"source": source, "seed": rng.randrange(2**40), **BUSY})
                else:
                    answer = await client.get(path)
                load.statuses[answer.status_code] += 1
            except httpx.HTTPError:
                load.statuses[0] += 1
            route = path.replace(source, "ID").replace(job, "ID") + (" POST" if asks else "")
            load.seconds.setdefault(route, []).append(time.perf_counter() - began)
            await asyncio.sleep(rng.expovariate(1 / THINK))


async def _watch(site: str, load: Load, until: float) -> None:
    async with httpx.AsyncClient(base_url=site, timeout=60.0) as client:
        while time.monotonic() < until:
            load.queued.append((await client.get("/health")).json()["queued"])
            await asyncio.sleep(0.5)


async def _measured(site: str, clients: int, seconds: float, workers: int) -> Load:
    load = Load()
    async with httpx.AsyncClient(base_url=site, timeout=60.0) as client:
        source = (await client.post("/api/v1/sources", data={"sample": "eurusd"})).json()["id"]
        jobs = []
        for seed in range(workers):
            jobs.append((await client.post("/api/v1/jobs", json={"source": source, "seed": seed, **BUSY})).json()["id"])
        while (await client.get(f"/api/v1/jobs/{jobs[-1]}")).json()["state"] == "queued":
            await asyncio.sleep(0.2)
    until = time.monotonic() + seconds
    each = [_client(site, source, jobs[0], load, until, seed) for seed in range(clients)]
    await asyncio.gather(_watch(site, load, until), *each)
    return load


def main() -> int:
    """Print what was measured; 1 where anything was answered by a 5xx, or not at all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="gatecast-") as name:
        about = ["--port", str(port), "--database", f"{name}/ledger.db", "--data", f"{name}/data"]
        command = [sys.executable, "-m", "gatecast", "serve", *about, "--workers", str(given.workers)]
        with open(f"{name}/log", "wb") as log:
            environment = {**os.environ, "XDG_CACHE_HOME": f"{name}/cache"}
            server = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        try:
            _wait(f"http://127.0.0.1:{port}", server)
            before = os.getloadavg()[0]
            measured = _measured(f"http://127.0.0.1:{port}", given.clients, given.seconds, given.workers)
            document = asyncio.run(measured).document()
        finally:
            server.terminate()
            server.wait()
    about_run = {"clients": given.clients, "seconds": given.seconds, "workers": given.workers, "cores": os.cpu_count()}
    document = {**about_run, "load_before": round(before, 1), **document}
    for key, value in document.items():
        print(f"{key:14} {value}")
    (ROOT / "benchmarks" / "results" / "serving.json").write_text(json.dumps(document, indent=1) + "\n")
    return int(bool(document["errors_5xx"] or document["unanswered"]))


def _wait(site: str, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + _STARTS
    while time.monotonic() < end and server.poll() is None:
        try:
            httpx.get(f"{site}/health", timeout=5.0)
            return
        except httpx.HTTPError:
            time.sleep(0.1)
    raise RuntimeError("the server did not start")


if __name__ == "__main__":
    sys.exit(main())
