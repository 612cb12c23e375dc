"""What a fleet costs an asset: `gatecast fleet` over 1 to 10,000 of them, its time, its memory, and how both grow.

Assets are the US stocks of the wide panel that have enough rows; beyond them, days of theirs drawn in blocks of 20.
Each size is a folder of Parquet files (`--folder`, kept for the next run), forecast by the base network in a process of
its own. Memory is the sum over its processes of what each holds alone and its share of the rest (PSS), at its peak.
Then some blocks are forecast one by one, and files written, for the simulation of a cluster (`benchmarks/cluster.py`).
Prints a table and writes benchmarks/results/fleet.json, where sizes that are not asked for stay. Linux only. Needs the
wide panel in ../shared/data/panel.

    python benchmarks/fleet.py 1 10 80 550 2000 10000 [--workers 2] [--tasks 3]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from gatecast.config import Config
from gatecast.executors import prepare_process
from gatecast.fleet.store import FleetStore
from gatecast.fleet.work import Block, Settings, forecast_block, names_in_blocks
from gatecast.readers.panels import Door, open_panel

ROOT = Path(__file__).parents[1]
PANEL = ROOT.parent / "shared" / "data" / "panel" / "us_stocks_wide_550_ohlcv_2000_2021.parquet"
RESULTS = ROOT / "benchmarks" / "results" / "fleet.json"
ROWS, PATHS, HORIZON = 2500, 1000, 30
DRAWN = 20  # days of a block of a resampled asset
BLOCKS = (10, 40, 120)  # assets of a block whose time is measured by itself
LARGE = 80  # assets; from there on the start of the processes is little beside the work
COLUMNS = ["open", "high", "low", "close", "volume"]


def stocks() -> list[pd.DataFrame]:
    """The last ROWS days of each stock of the panel that has so many; adjusted, so that there are no splits."""
    if not PANEL.exists():
        sys.exit("this benchmark needs the wide panel in ../shared/data/panel, which is not here.")
    found = []
    for _, of in pd.read_parquet(PANEL).groupby("ticker", observed=True):
        last = of.sort_values("date").tail(ROWS)
        prices = last[COLUMNS].astype("float64")
        prices.iloc[:, :4] = prices.iloc[:, :4].mul(last["adj_close"].astype("float64") / prices["close"], axis=0)
        if len(last) == ROWS and np.isfinite(prices).all(axis=None) and (prices > 0).all(axis=None):
            found.append(prices.assign(date=last["date"])[["date", *COLUMNS]])
    return found


def resampled(of: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Another history of the days of one: blocks of DRAWN days in an order that is drawn."""
    rng = np.random.default_rng(seed)
    starts = rng.integers(1, len(of) - DRAWN, -(-len(of) // DRAWN))
    days = (starts[:, None] + np.arange(DRAWN)).ravel()[: len(of)]
    close = of["close"].to_numpy()
    path = close[0] * np.exp(np.cumsum(np.log(close[days] / close[days - 1])))
    shape = {name: path * of[name].to_numpy()[days] / close[days] for name in ("open", "high", "low")}
    return pd.DataFrame(
        {"date": of["date"].to_numpy(), **shape, "close": path, "volume": of["volume"].to_numpy()[days]}
    )


def folder_of(assets: int, home: Path) -> Path:
    """A folder with a Parquet file an asset, made where it is not there yet."""
    folder = home / f"{assets}-assets"
    if folder.exists():
        return folder
    part = home / f"{assets}-assets.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    real = stocks()
    for number in range(assets):
        of = real[number % len(real)]
        frame = of if number < len(real) else resampled(of, number)
        frame.to_parquet(part / f"A{number:05d}.parquet", index=False)
    part.rename(folder)
    return folder


def memory_of(process: int) -> int:
    """Bytes that a process and its descendants hold, what they share counted once."""
    parents: dict[int, int] = {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(place.name)] = int((place / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    total = 0
    for each in parents:
        above = each
        while above in parents and above != process:
            above = parents[above]
        if above == process:
            try:
                lines = Path(f"/proc/{each}/smaps_rollup").read_text().splitlines()
                total += sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))
            except OSError:
                continue
    return total


def measured(assets: int, home: Path, workers: int) -> dict[str, Any]:
    """One fleet from the start of the command to its end."""
    source, out = folder_of(assets, home), home / "out"
    shutil.rmtree(out, ignore_errors=True)
    sizes = ["--horizon", str(HORIZON), "--paths", str(PATHS), "--preset", "base", "--workers", str(workers)]
    command = [sys.executable, "-m", "gatecast", "fleet", str(source), "--out", str(out), *sizes, "--json"]
    before, began, peak = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter(), 0
    with tempfile.TemporaryFile("w+") as printed:
        environment = {**os.environ, "XDG_CACHE_HOME": str(home / "cache")}
        process = subprocess.Popen(command, stdout=printed, stderr=subprocess.DEVNULL, env=environment)
        while process.poll() is None:
            peak = max(peak, memory_of(process.pid))
            time.sleep(0.5)
        seconds = time.perf_counter() - began
        printed.seek(0)
        document = json.loads(printed.read())
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert document["made"] == assets, document["failed"][:3]
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "assets": assets, "workers": workers, "seconds": round(seconds, 1), "cpu_seconds": round(cpu, 1),
        "peak_mb": round(peak / 2**20), "made_at": time.strftime("%Y-%m-%d"),
    }  # fmt: skip


def tasks_of(home: Path, count: int) -> dict[str, Any]:
    """CPU seconds of `count` blocks of each size, one by one, and seconds of writing a file each for their assets."""
    prepare_process()
    torch.set_num_threads(1)  # as a worker has
    settings = Settings(config=Config.from_preset("base"), horizon=HORIZON, paths=PATHS, seed=0)
    store, writing, seconds = FleetStore(home / "tasks"), [], {}
    for size in BLOCKS:
        panel = open_panel(folder_of(size * count, home), Door())
        seconds[str(size)] = []
        for names in names_in_blocks(panel.names, size):
            began = time.process_time()
            answer = forecast_block(settings, Block(names=names, part=panel.part(names), done={}, failed={}))
            seconds[str(size)].append(round(time.process_time() - began, 3))
            began = time.perf_counter()
            for forecast in answer.made:
                store.save(forecast, answer.key, None)
            writing.append(round((time.perf_counter() - began) / len(answer.made), 5))
            print(
                f"a block of {size}: {seconds[str(size)][-1]:.1f} CPU s, {1000 * writing[-1]:.1f} ms a file", flush=True
            )
    return {"cpu_seconds": seconds, "write_seconds": writing, "made_at": time.strftime("%Y-%m-%d")}


def exponent(rows: list[dict[str, Any]], key: str) -> float | None:
    """How a quantity grows with the assets, by least squares of the logarithms from LARGE on; None of one size."""
    large = [row for row in rows if row["assets"] >= LARGE]
    if len(large) < 2:
        return None
    return float(np.polyfit(np.log([row["assets"] for row in large]), np.log([row[key] for row in large]), 1)[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("assets", type=int, nargs="*", help="how many; any number of sizes")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--tasks", type=int, default=0, help="blocks of each size that are timed one by one")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "gatecast-fleet")
    asked = parser.parse_args()
    found = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"fleets": {}, "tasks": None}
    for assets in asked.assets:
        found["fleets"][str(assets)] = measured(assets, asked.folder, asked.workers)
        RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    if asked.tasks:
        found["tasks"] = tasks_of(asked.folder, asked.tasks)
        RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    rows = sorted(found["fleets"].values(), key=lambda row: row["assets"])
    print("assets   seconds   CPU seconds   CPU s an asset   peak memory")
    for row in rows:
        times = f"{row['seconds']:9,.1f} {row['cpu_seconds']:13,.1f} {row['cpu_seconds'] / row['assets']:16.3f}"
        print(f"{row['assets']:6,} {times} {row['peak_mb']:10,} MB")
    if (grows := exponent(rows, "cpu_seconds")) is not None:
        print(f"exponent of CPU time in assets from {LARGE} on: {grows:.3f}")


if __name__ == "__main__":
    main()
