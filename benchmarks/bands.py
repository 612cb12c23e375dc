"""Do the bands hold, and how sharp are they? Panel of 80 US stocks, then single series of other kinds.

Each model learns on rows up to 2017 (a calibrated one looks back on the origins of 2016 and 2017) and is judged
at every fifth session of 2018-2021, steps 1 to 20. `garch`, `har` and `ewma_t` are refitted every 50 origins, a
year of sessions; networks are fitted once. Single series see every fifth session too, but for the indices, whose
files end in 2018: there every session is an origin. DKK is left out of the currencies: it is pegged to the euro.

Prints a table and writes benchmarks/results/bands.json. Finished forecasts wait in --store, so that a run that was
cut short goes on. Needs the real series in ../shared/data.

    python benchmarks/bands.py [--models garch,calibrated:garch] [--parts panel,single] [--close-only] [--events]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import gatecast
from gatecast.forecast import BANDS
from gatecast.judge.comparisons import overlap_of
from gatecast.judge.metrics import inside
from gatecast.judge.significance import by_date, coverage_interval, diebold_mariano
from gatecast.judge.walkforward import backtest
from gatecast.model import Model
from gatecast.models.registry import parse_models
from gatecast.prices import PriceTable
from gatecast.readers.events import read_events
from gatecast.readers.read import read_prices

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"
RESULTS = ROOT / "benchmarks" / "results" / "bands.json"
AGAINST = "garch"
DROPOUT = "gatecast:start=scratch,noise=none"  # Monte Carlo dropout and nothing else
RAW = "gatecast:start=base,calibrate=false"  # the base network before calibration
PANEL_MODELS = f"{AGAINST},calibrated:garch,har,ewma_t,random_walk,{DROPOUT},{RAW},gatecast:base"
SINGLE_MODELS = f"{AGAINST},calibrated:garch,{RAW},gatecast:base"
PANEL = "panel/us_stocks_80_ohlcv_2005_2021.csv.gz"
EVENTS = "events/us_earnings_dates_2003_2021.csv.gz"
SINGLE = {
    "index": ("sp500_index_ohlcv_1999_2018.csv", "nasdaq_index_ohlcv_1999_2018.csv"),
    "fx": ("fx_ecb_reference_1999_2021.csv",),
    "oil": ("wti_spot_close_1986_2021.csv",),
    "coin": ("btc_usd_ohlcv_2014_2021.csv", "eth_usd_ohlcv_2017_2021.csv"),
    "stock": ("ko_ohlcv_2000_2021.csv", "tsla_ohlcv_2010_2021.csv"),
}
PEGGED = "DKK"
START, HORIZON, EVERY, YEAR_OF_ORIGINS = "2018-01-01", 20, 5, 50
STEPS = (1, 5, 20)


def main() -> None:
    arguments = parse_arguments()
    if not DATA.is_dir():
        sys.exit("this benchmark needs the real series in ../shared/data, which are not here.")
    began, result = time.time(), {}
    if "panel" in arguments.parts:
        result["panel"] = panel(arguments)
    if "single" in arguments.parts and not arguments.quick:
        result["single"] = single(arguments)
    about = {"version": gatecast.__version__, "paths": arguments.paths, "close_only": arguments.close_only}
    document = {**about, "seconds": round(time.time() - began), **result}
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(document, indent=1) + "\n")
    print(f"{document['seconds']} s; written to {arguments.out}")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", help="instead of those of the protocol")
    parser.add_argument("--parts", default="panel,single")
    parser.add_argument("--paths", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--store", type=Path, default=ROOT / "benchmarks" / "results" / "folds")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--close-only", action="store_true", help="without range and volume")
    parser.add_argument("--events", action="store_true", help="the panel with the dates of its companies' reports")
    parser.add_argument("--quick", action="store_true", help="four stocks, seven origins, simple models")
    arguments = parser.parse_args()
    arguments.parts = arguments.parts.split(",")
    return arguments


def panel(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Every model on the panel; rows by model and step."""
    prices, names = read_prices(DATA / PANEL), arguments.models or PANEL_MODELS
    every, paths = EVERY, arguments.paths
    if arguments.quick:
        prices, every, paths = prices.select(prices.item_ids[:4]), 150, 200
        names = "garch,ewma_t,calibrated:ewma_t"
    if arguments.close_only:
        prices = closes(prices)
    if arguments.events:
        prices = prices.with_events(read_events(DATA / EVENTS))
    tables = [judged(model, prices, every=every, paths=paths, arguments=arguments) for model in parse_models(names)]
    rows = summary(pd.concat(tables, ignore_index=True))
    show("80 US stocks, 2018-2021" if not arguments.quick else "four stocks, seven origins", rows)
    return rows


def single(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Every model on the single series; rows by asset class, model and step, a class's files pooled."""
    found: list[dict[str, Any]] = []
    for kind, files in SINGLE.items():
        tables = []
        for name in files:
            prices = read_prices(DATA / "daily" / name, repair=True)
            prices = prices.select(tuple(item for item in prices.item_ids if item != PEGGED))
            prices = closes(prices) if arguments.close_only else prices
            every = 1 if kind == "index" else EVERY
            for model in parse_models(arguments.models or SINGLE_MODELS):
                tables.append(judged(model, prices, every=every, paths=arguments.paths, arguments=arguments))
        rows = [{"class": kind, **row} for row in summary(pd.concat(tables, ignore_index=True))]
        show(kind, rows)
        found += rows
    return found


def closes(prices: PriceTable) -> PriceTable:
    """The same table without range and volume: what a part that needs them is worth."""
    return PriceTable.from_close({series.item_id: (series.close, series.timestamps) for series in prices})


def judged(model: Model, prices: PriceTable, *, every: int, paths: int, arguments: argparse.Namespace) -> pd.DataFrame:
    """The scored forecasts of one model on the report's years."""
    began = time.time()
    report = backtest(
        [model],
        prices,
        horizon=HORIZON,
        every=every,
        start=START,
        refit=0 if "gatecast" in model.name else YEAR_OF_ORIGINS,
        paths=paths,
        jobs=arguments.jobs,
        store=arguments.store,
    )
    origins = report.forecasts["cutoff"].nunique()
    print(f"{model.name}: {origins} origins, {len(prices)} items, {time.time() - began:.0f} s", file=sys.stderr)
    return report.forecasts


def summary(forecasts: pd.DataFrame) -> list[dict[str, Any]]:
    """By model and step: coverage (pooled with its interval, and by year), CRPS, log score and width."""
    at_step = forecasts[forecasts["step"].isin(STEPS)]
    found = []
    for (model, step), rows in at_step.groupby(["model", "step"], sort=False):
        rival = at_step[(at_step["model"] == AGAINST) & (at_step["step"] == step)]
        found.append(
            {
                "model": model,
                "step": int(str(step)),
                "n": len(rows),
                "origins": int(rows["cutoff"].nunique()),
                "coverage": coverages(rows),
                "intervals": intervals(rows),
                "years": {str(year): coverages(part) for year, part in rows.groupby(rows["cutoff"].dt.year)},
                "crps": float(rows["crps"].mean()),
                "log_score": finite(rows["log_score"].mean()),
                "width_90": float(np.log(rows["q95"] / rows["q05"]).mean()),
                **against(rows, rival),
            }
        )
    return found


def coverages(rows: pd.DataFrame) -> dict[str, float]:
    """Share held by each band."""
    return {str(level): float(held(rows, level).mean()) for level in BANDS}


def intervals(rows: pd.DataFrame) -> dict[str, list[float]]:
    """95% interval of each share, assets of one date and overlapping origins allowed for."""
    overlap, dates = overlap_of(rows), rows["cutoff"].to_numpy()
    return {str(level): list(coverage_interval(held(rows, level), dates, overlap=overlap)[1:]) for level in BANDS}


def held(rows: pd.DataFrame, level: int) -> np.ndarray:
    low, high = BANDS[level]
    return inside(rows[low].to_numpy(), rows[high].to_numpy(), rows["actual"].to_numpy()).astype(float)


def against(rows: pd.DataFrame, rival: pd.DataFrame) -> dict[str, Any]:
    """CRPS and log score against garch's: the share saved, nats gained, and the Diebold-Mariano test by date."""
    keys = ["item_id", "cutoff"]
    both = rows.merge(rival, on=keys, suffixes=("", "_rival"))
    if both.empty or rows["model"].iloc[0] == AGAINST:
        return {"crps_change": None, "dm": None, "p_value": None, "log_score_gain": None, "width_change": None}
    dates = both["cutoff"].to_numpy()
    saved = by_date((both["crps_rival"] - both["crps"]).to_numpy(), dates)
    test = diebold_mariano(saved, overlap=overlap_of(rows))
    width, width_rival = (np.log(both[f"q95{end}"] / both[f"q05{end}"]).mean() for end in ("", "_rival"))
    return {
        "crps_change": float(both["crps"].mean() / both["crps_rival"].mean() - 1),
        "dm": finite(test.dm),
        "p_value": test.p_value,
        "log_score_gain": finite((both["log_score"] - both["log_score_rival"]).mean()),
        "width_change": float(width / width_rival - 1),
    }


def finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def show(title: str, rows: list[dict[str, Any]]) -> None:
    """The table: a line a model and step; coverage in percent of the 50/80/90/95% bands."""
    print(f"\n{title}. CRPS and width in percent of the price; change and DM against {AGAINST}")
    print(f"{'model':33s} step    n    CRPS  change    DM  log score  width  50/80/90/95% held      by year")
    for row in rows:
        change = "" if row["crps_change"] is None else f"{100 * row['crps_change']:+.2f}%"
        dm = "" if row["dm"] is None else f"{row['dm']:.2f}"
        score = "" if row["log_score"] is None else f"{row['log_score']:.4f}"
        years = " | ".join(f"{year} {percents(shares)}" for year, shares in row["years"].items())
        print(
            f"{row['model'][:33]:33s} {row['step']:4d} {row['n']:6d} {100 * row['crps']:6.4f} {change:>7s} {dm:>5s} "
            f"{score:>9s} {100 * row['width_90']:6.2f}  {percents(row['coverage'])}  {years}",
            flush=True,
        )


def percents(shares: dict[str, float]) -> str:
    return "/".join(f"{100 * share:.1f}" for share in shares.values())


if __name__ == "__main__":
    main()
