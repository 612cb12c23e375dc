"""Many clients at once on loopback: each reads pages and jobs, submits, and waits a second between two requests.

Prints the median and the 99th percentile of the time to answer, the statuses, and the longest queue.

    python benchmarks/serving.py [--clients 200] [--seconds 60]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import tempfile
import time
from collections import Counter
from pathlib import Path

import httpx
import numpy as np
from serve_kills import TRAINING, Server, prices

PAUSE = 1.0  # seconds that a client looks at an answer, on average


async def client(
    number: int, http: httpx.AsyncClient, source: str, until: float, found: list[tuple[int, float]]
) -> None:
    """Ask, look, ask again."""
    rng = random.Random(number)
    job = {"source": source, "preset": "quick", "settings": TRAINING, "horizon": 3, "paths": 50, "seed": number}
    await asyncio.sleep(rng.uniform(0, PAUSE))
    while time.monotonic() < until:
        what, began = rng.random(), time.perf_counter()
        if what < 0.05:
            answer = await http.post("/api/v1/jobs", json=job)
        else:
            answer = await http.get(
                "/" if what < 0.4 else "/api/v1/jobs?limit=10" if what < 0.7 else f"/api/v1/sources/{source}"
            )
        found.append((answer.status_code, time.perf_counter() - began))
        await asyncio.sleep(rng.expovariate(1 / PAUSE))


async def load(server: Server, clients: int, seconds: float) -> dict[str, object]:
    """What the clients saw."""
    source, found, longest = server.bring(prices()), list[tuple[int, float]](), 0
    until = time.monotonic() + seconds
    limits = httpx.Limits(max_connections=clients + 5)
    base = f"http://127.0.0.1:{server.port}"
    async with httpx.AsyncClient(base_url=base, limits=limits, timeout=30) as http:
        at_work = [asyncio.create_task(client(number, http, source, until, found)) for number in range(clients)]
        while time.monotonic() < until:
            longest = max(longest, (await http.get("/health")).json()["queued"])
            await asyncio.sleep(1)
        await asyncio.gather(*at_work)
    times = np.array([took for _, took in found])
    return {
        "clients": clients,
        "requests": len(found),
        "median_s": round(float(np.median(times)), 4),
        "p99_s": round(float(np.quantile(times, 0.99)), 4),
        "statuses": dict(sorted(Counter(status for status, _ in found).items())),
        "longest_queue": longest,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = Server({"database": f"{folder}/l.db", "data": str(Path(folder) / "data"), "workers": 2})
        try:
            print(json.dumps(asyncio.run(load(server, given.clients, given.seconds))))
        finally:
            server.process.terminate()
            server.process.wait(30)


if __name__ == "__main__":
    main()
