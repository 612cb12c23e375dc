"""Do the bands hold months and a year ahead? Steps 20, 60, 120 and 250 on the years before those of the report.

The base network's recipe, learned to 2007 and to 2011, and the one that ships, learned to 2015, forecast stocks of the
panel and single series from every sixtieth session of 2008-2016, each on the years that were new to it, and calibrated
as the command calibrates them. No row after 2017 is read: later years are those of benchmarks/bands.py, and what a path
does beyond step 20 (`gatecast.features.long_run`) was chosen here.

Prints a table and writes benchmarks/results/long_horizon.json. Needs the real series in ../shared/data; some quarter of
an hour on one core; the two networks that are made for it wait in --networks, where benchmarks/gain.py has them too.

    python benchmarks/long_horizon.py [--stocks 20] [--paths 200]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from bands import DATA, PANEL, PEGGED, ROOT
from gain import LEAST_ROWS, PERIODS, network

from gatecast.calibration.online import OnlineCalibration, calibrate, timestamps
from gatecast.calibration.walked import walking_seed
from gatecast.forecast import Forecast
from gatecast.judge.metrics import crps_paths, inside
from gatecast.model import Request
from gatecast.models.base import BaseNetworks
from gatecast.prices import PriceTable
from gatecast.readers.read import read_prices

STEPS = (20, 60, 120, 250)
EVERY = 60  # sessions between origins
BANDS = (0.5, 0.8, 0.9, 0.95)
SINGLE = {
    "index": ("sp500_index_ohlcv_1999_2018.csv", "nasdaq_index_ohlcv_1999_2018.csv"),
    "fx": ("fx_ecb_reference_1999_2021.csv",),
    "oil": ("wti_spot_close_1986_2021.csv",),
    "stock": ("ko_ohlcv_2000_2021.csv", "tsla_ohlcv_2010_2021.csv", "msft_adjusted_ohlcv_1986_2017.csv"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    results = ROOT / "benchmarks" / "results"
    parser.add_argument("--stocks", type=int, default=20, help="of the panel's 80, evenly spaced")
    parser.add_argument("--paths", type=int, default=200)
    parser.add_argument("--classes", default="panel,index,fx,oil,stock")
    parser.add_argument("--raw", action="store_true", help="as the networks have them, not calibrated")
    parser.add_argument("--networks", type=Path, default=results / "networks", help="where made ones wait")
    parser.add_argument("--out", type=Path, default=results / "long_horizon.json")
    arguments = parser.parse_args()
    if not DATA.is_dir():
        sys.exit("this benchmark needs the real series in ../shared/data, which are not here.")
    rows = []
    print("width, what the median was under the outcome, and CRPS in percent, as log returns")
    print("class   step forecasts dates   50/80/90/95% held     90% width  median under    CRPS")
    tables_of = classes(arguments.stocks)
    for kind in arguments.classes.split(","):
        tables = tables_of[kind]
        forecasts = pd.concat([judged(prices, arguments) for prices in tables], ignore_index=True)
        for step, part in forecasts.groupby("step"):
            row = {"class": kind, "step": int(str(step)), **summary(part)}
            rows.append(row)
            shares = "/".join(f"{100 * share:.1f}" for share in row["coverage"].values())
            print(
                f"{kind:7s} {row['step']:4d} {row['forecasts']:9d} {row['dates']:5d}   {shares:20s} "
                f"{100 * row['width_90']:10.1f} {100 * row['bias']:+11.1f} {100 * row['crps']:7.2f}",
                flush=True,
            )
    document = {"stocks": arguments.stocks, "paths": arguments.paths, "every": EVERY, "rows": rows}
    arguments.out.write_text(json.dumps(document, indent=1) + "\n")
    print(f"written to {arguments.out}")


def classes(stocks: int) -> dict[str, list[PriceTable]]:
    """The tables of each class, to the end of the last choosing year."""
    panel = read_prices(DATA / PANEL)
    some = np.linspace(0, len(panel) - 1, stocks).round().astype(int)
    tables = {"panel": [panel.select(tuple(panel.item_ids[place] for place in some))]}
    for kind, files in SINGLE.items():
        tables[kind] = [read_prices(DATA / "daily" / name, repair=True) for name in files]
    tables["fx"] = [table.select(tuple(item for item in table.item_ids if item != PEGGED)) for table in tables["fx"]]
    return {kind: [table.until(PERIODS[-1][1]) for table in group] for kind, group in tables.items()}


def judged(prices: PriceTable, arguments: argparse.Namespace) -> pd.DataFrame:
    """A row an item, origin and step: what each band held, log width, the move, CRPS in log return."""
    found = []
    for forecast in forecasts(prices, arguments):
        for item in forecast:
            series = prices[item.item_id]
            last = int(np.searchsorted(series.timestamps, item.last_timestamp))
            moves = item.log_returns()
            for step in STEPS:
                if last + step >= len(series):
                    continue
                drawn, actual = moves[:, step - 1], float(np.log(series.close[last + step] / item.last_close))
                levels = np.array(BANDS)
                low, high = np.quantile(drawn, [(1 - levels) / 2, (1 + levels) / 2], method="weibull")
                found.append(
                    {
                        "date": item.last_timestamp,
                        "step": step,
                        **dict(zip(map(str, BANDS), inside(low, high, np.full_like(levels, actual)), strict=True)),
                        "width_90": high[2] - low[2],
                        "bias": actual - np.median(drawn),
                        "crps": float(crps_paths(drawn[None], np.array([actual]))[0]),
                    }
                )
    return pd.DataFrame(found)


def forecasts(prices: PriceTable, arguments: argparse.Namespace) -> Iterator[Forecast]:
    """The forecasts of a table at every origin, by the network to which its days are new."""
    calendar = timestamps(prices)
    calendar = calendar[calendar > np.datetime64(PERIODS[0][0])]
    origins = calendar[: -max(STEPS)][::EVERY]
    for until, end in PERIODS:
        model = network(until, arguments.networks)
        mine = list(origins[(origins > np.datetime64(until)) & (origins <= np.datetime64(end))])
        ready = [series.item_id for series in prices if mine and (series.timestamps <= mine[0]).sum() >= LEAST_ROWS]
        if not ready:
            continue
        table = prices.select(tuple(ready))
        known = None if arguments.raw else calibration(model, table, mine[0])
        seeds = [walking_seed(origin) for origin in mine]
        request = Request(cutoffs=mine, horizon=max(STEPS), paths=arguments.paths, seeds=seeds)
        raw = model.predict_at(table, request)
        yield from raw if known is None else known.apply(model, table, mine, raw)


def calibration(model: BaseNetworks, prices: PriceTable, first: np.datetime64) -> OnlineCalibration:
    """Begun at the network's first new row; what `apply` is asked for later walks on from there."""
    return calibrate(model, prices.until(first), after=model.until)


def summary(part: pd.DataFrame) -> dict[str, Any]:
    return {
        "forecasts": len(part),
        "dates": int(part["date"].nunique()),
        "coverage": {str(level): float(part[str(level)].mean()) for level in BANDS},
        **{name: float(part[name].mean()) for name in ("width_90", "bias", "crps")},
    }


if __name__ == "__main__":
    main()
