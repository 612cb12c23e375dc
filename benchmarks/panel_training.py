"""How fast is global training on 550 stocks beside neuralforecast and Darts? And GARCH and theta beside statsforecast?

One LSTM over all stocks of the wide panel, with the same context, width, depth, batch and number of updates in every
library (`rivals/panel.py`). Counted are training rows: targets from which a gradient is learned, per second of
training, from the end of the fifth update to the end of the last; reading, preparing and validation are left out. Two
ways to train, compared each with its like and, last, each library as it comes:

- `windows`: one target after each window of 60 days;
- `steps`: a target after every step of a sequence; gatecast's own way unless told otherwise.

Every library runs in a process of its own, with as many threads as it takes by itself; they take turns, and a figure is
the median over turns. neuralforecast draws an update's windows from 32 assets, its default, or from one. `bfloat16` is
the recipe's network once more, in 16 bits, with each library's own setting for it.

Prints the tables and writes benchmarks/results/panel_training.json. Needs the wide panel in ../shared/data/panel and
the environment of `make bench-speed`. `--quick` shows in a minute that all of it runs.

    .venv-bench/bin/python benchmarks/panel_training.py [--turns 3] [--quick]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rivals import recipe
from speed_process import ROOT, Failed, ask, machine

PANEL = ROOT.parent / "shared" / "data" / "panel" / "us_stocks_wide_550_ohlcv_2000_2021.parquet"
RESULTS = ROOT / "benchmarks" / "results" / "panel_training.json"
LIBRARIES = ("torch", "neuralforecast", "darts", "statsforecast", "numpy", "pandas")
ROWS = 1000  # the last of each asset, to which GARCH and theta are fitted
OVERLAP = 4  # sequences of an epoch that hold a row, where there is a target at every step
# Whose program, what it is called in the tables, and how it is told of 16 bits.
TRAINERS = {
    "gatecast": ("gatecast", "bfloat16", {}),
    "neuralforecast": ("neuralforecast, an update from 32 assets", "bf16-mixed", {"assets": [1, 32]}),
    "darts": ("Darts", "bf16-mixed", {}),
}
ONE = "neuralforecast, an update from 1 asset"

Timed = dict[str, dict[str, list[dict[str, float]]]]  # (case, library) -> what was found, turn by turn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="toy sizes; its file is panel_training_trial.json")
    arguments = parser.parse_args()
    if not PANEL.exists():
        sys.exit("this benchmark needs the wide panel in ../shared/data/panel, which is not here.")
    updates = {"recipe": 3, "small": 5} if arguments.quick else {"recipe": 60, "small": 200}
    turns = 1 if arguments.quick else arguments.turns
    load, when = os.getloadavg()[0], time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "panel.npz"
        counts = write_closes(path, *((20, 1500) if arguments.quick else (None, None)))
        try:
            timed, fitted = measured(str(path), updates, turns)
            peak = ask("torch", "sgemm", size=2048, tries=10)["flops_per_second"]
        except Failed as failure:
            sys.exit(f"not measured. {failure}")
    document: dict[str, Any] = {"when": when, "load_before": round(load, 2), "turns": turns, "updates": updates}
    document |= {"machine": machine(LIBRARIES), **counts, "rows_fitted": ROWS}
    document |= trained(timed) | arithmetic(timed, peak) | fits(fitted)
    document["detail"] = {"training": timed, "fits": fitted}
    out = RESULTS.with_name("panel_training_trial.json") if arguments.quick else RESULTS
    out.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n")
    print(f"\nresults are in {out.relative_to(ROOT)}; load before {load:.2f}")


def write_closes(path: Path, assets: int | None, rows: int | None) -> dict[str, int]:
    """The adjusted closes of every asset, oldest first, in one file for all programs; how many there are."""
    panel = pd.read_parquet(PANEL, columns=["date", "ticker", "adj_close"]).sort_values(["ticker", "date"])
    closes = [of["adj_close"].to_numpy(np.float64) for _, of in panel.groupby("ticker", observed=True)]
    closes = [close[-(rows or len(close)) :] for close in closes[:assets]]
    lengths = [len(close) for close in closes]
    np.savez(path, close=np.concatenate(closes), lengths=lengths)
    return {"assets": len(closes), "rows": sum(lengths)}


def measured(path: str, updates: dict[str, int], turns: int) -> tuple[Timed, dict[str, dict[str, list[float]]]]:
    """Every library in turn, `turns` times."""
    timed: Timed = {}
    fitted: dict[str, dict[str, list[float]]] = {}
    for _ in range(turns):
        for library, (called, sixteen, how) in TRAINERS.items():
            found = ask(library, "train", program="panel", path=path, updates=updates, **how)
            half = {"recipe": updates["recipe"]}
            halved = ask(library, "train", program="panel", path=path, updates=half, precision=sixteen, **how)
            found |= {case.replace("recipe", "recipe in bfloat16"): of for case, of in halved.items()}
            for case, of in found.items():
                name, way, *assets = case.split(", ")
                here = ONE if assets == ["1"] else called
                timed.setdefault(f"{name}, {way}", {}).setdefault(here, []).append(of)
        for task in ("garch", "theta"):
            for library in ("gatecast", "statsforecast"):
                seconds = ask(library, task, program="panel", path=path, rows=ROWS)["seconds"]
                fitted.setdefault(task, {}).setdefault(library, []).append(seconds)
    return timed, fitted


def trained(timed: Timed) -> dict[str, Any]:
    """Prints training rows a second, and how many times a rival's ours are; the same for the file."""
    rates = {case: rates_of(by) for case, by in timed.items()}
    ratios: dict[str, dict[str, float]] = {}
    for case, by in rates.items():
        print(f"\n{case}: training rows a second, and ours over theirs")
        ratios[case] = {name: by["gatecast"] / rate for name, rate in by.items() if name != "gatecast"}
        for name, rate in by.items():
            print(f"  {name:44}{rate:12,.0f}{ratios[case].get(name, 1.0):8.2f}")
    default = TRAINERS["neuralforecast"][0]
    print("\neach as it comes: ours at every step over neuralforecast's windows from 32 assets; distinct rows alone")
    for network in dict.fromkeys(case.split(", ")[0] for case in rates):
        ratio = rates[f"{network}, steps"]["gatecast"] / rates[f"{network}, windows"][default]
        ratios[f"{network}, as it comes"] = {default: ratio, f"{default}, distinct rows": ratio / OVERLAP}
        print(f"  {network:44}{ratio:12,.1f}{ratio / OVERLAP:8.1f}")
    return {"rows_per_second": rates, "ratios": ratios}


def rates_of(by: dict[str, list[dict[str, float]]]) -> dict[str, float]:
    """Training rows a second of each library, medians over turns."""
    return {name: statistics.median(of["targets"] / of["seconds"] for of in found) for name, found in by.items()}


def arithmetic(timed: Timed, peak: float) -> dict[str, Any]:
    """Prints the recipe's floating point operations a second, which no library can raise at will, beside sgemm's."""
    rates = {name: rate * recipe.flops(1) for name, rate in rates_of(timed["recipe, windows"]).items()}
    print(f"\nrecipe, windows: GFLOP/s, where torch's sgemm reaches {peak / 1e9:.0f}")
    for name, rate in rates.items():
        print(f"  {name:44}{rate / 1e9:12,.0f}")
    return {"recipe_flops_per_second": rates, "sgemm_flops_per_second": peak}


def fits(fitted: dict[str, dict[str, list[float]]]) -> dict[str, Any]:
    """Prints the seconds of all assets, one core each, and theirs over ours; the same for the file."""
    medians = {task: {name: statistics.median(times) for name, times in by.items()} for task, by in fitted.items()}
    print(f"\nfits to the last {ROWS:,} rows of each asset, seconds, and theirs over ours")
    for task, by in medians.items():
        ratio = by["statsforecast"] / by["gatecast"]
        print(f"  {task:10} gatecast {by['gatecast']:8.2f}   statsforecast {by['statsforecast']:8.2f}{ratio:8.2f}")
    return {"fit_seconds": medians}


if __name__ == "__main__":
    main()
