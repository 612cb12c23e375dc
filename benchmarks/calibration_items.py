"""How many items of a table need the calibrator look back on? The panel's 80 stocks, 2008-2017.

The base network's recipe, learned to 2007 and to 2011, and the one that ships, learned to 2015, forecast all stocks
from every twentieth session, each on the years that were new to it; the same raw forecasts are calibrated by what past
bands held of so many stocks, evenly spaced: of all at each origin, or of every second in turns, at every fifth session
or at fewer. They are combined with GARCH, HAR and EWMA as the command combines them. No row after 2017 is read.

Prints a table. Needs the real series in ../shared/data; some ten minutes on two cores; the two networks that are made
for it wait in --networks, as for benchmarks/gain.py.

    python benchmarks/calibration_items.py [--items 100/1/5,20/1/5,20/2/5,20/2/10]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from bands import DATA, PANEL, ROOT
from gain import LEAST_ROWS, PERIODS, as_shipped, network

from gatecast.calibration import online, turns
from gatecast.calibration.online import timestamps
from gatecast.calibration.walked import walking_seed
from gatecast.judge.metrics import crps_paths, inside
from gatecast.model import Request
from gatecast.prices import PriceTable
from gatecast.readers.read import read_prices

STEPS, LEVELS, HORIZON = (1, 5, 20), np.array([0.5, 0.8, 0.9, 0.95]), 20
EVERY, PATHS = 20, 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--items", default="100/1/5,20/1/5,20/2/5,20/2/10", help="how many, in how many turns, sessions apart"
    )
    parser.add_argument("--networks", type=Path, default=ROOT / "benchmarks" / "results" / "networks")
    arguments = parser.parse_args()
    if not DATA.is_dir():
        sys.exit("this benchmark needs the real series in ../shared/data, which are not here.")
    counts = arguments.items.split(",")
    prices = read_prices(DATA / PANEL).until(np.datetime64(PERIODS[-1][1]))
    table = pd.DataFrame([row for period in PERIODS for row in judged(period, prices, counts, arguments.networks)])
    print(f"{table['date'].nunique()} origins; CRPS against {counts[0]} in percent, its standard error over origins")
    print("items     step  50/80/90/95% held        CRPS   error   width 90%")
    for (count, step), part in table.groupby(["items", "step"], sort=False):
        by_date = table[table["step"] == step].groupby(["date", "items"])["crps"].mean().unstack("items")
        difference = 100 * (by_date[count] - by_date[counts[0]]) / by_date[counts[0]].mean()
        held = "/".join(f"{100 * part[str(level)].mean():.1f}" for level in LEVELS)
        error = difference.std() / np.sqrt(len(difference))
        width = np.exp(part["width"].mean())
        print(f"{count:8s} {step:5d}  {held:20s} {difference.mean():+9.3f} {error:7.3f} {width:10.4f}")


def judged(period: tuple[str, str], prices: PriceTable, counts: list[str], networks: Path) -> Iterator[dict[str, Any]]:
    """A row a count of items and turns (none: not calibrated), stock, origin and step."""
    until, end = period
    calendar = timestamps(prices)
    origins = calendar[calendar > np.datetime64(PERIODS[0][0])][:-HORIZON][::EVERY]
    mine = list(origins[(origins > np.datetime64(until)) & (origins <= np.datetime64(end))])
    table = prices.select(tuple(s.item_id for s in prices if (s.timestamps <= mine[0]).sum() >= LEAST_ROWS))
    model, known = network(until, networks), {}
    for count in counts:
        _set(count)
        known[count] = as_shipped(model, table, mine[0])
    for origin in mine:
        request = Request(cutoffs=[origin], horizon=HORIZON, paths=PATHS, seeds=[walking_seed(origin)])
        raw = model.predict_at(table, request)
        for count in (*counts, "none"):
            if count != "none":
                _set(count)
            (forecast,) = raw if count == "none" else known[count].apply(model, table, [origin], raw)
            for item in forecast:
                series, moves = table[item.item_id], item.log_returns()
                last = int(np.searchsorted(series.timestamps, item.last_timestamp))
                for step in STEPS:
                    actual = float(np.log(series.close[last + step] / item.last_close))
                    drawn = moves[:, step - 1]
                    low, high = np.quantile(drawn, [(1 - LEVELS) / 2, (1 + LEVELS) / 2], method="weibull")
                    held = inside(low, high, np.full_like(LEVELS, actual))
                    crps = float(crps_paths(drawn[None], np.array([actual]))[0])
                    row = {
                        "items": count,
                        "date": origin,
                        "step": step,
                        "crps": crps,
                        "width": np.log(high[2] - low[2]),
                    }
                    yield row | dict(zip(map(str, LEVELS), held, strict=True))


def _set(count: str) -> None:
    """How the calibration looks back from here on; what takes no turns does so at every fifth session."""
    online.ITEMS, turns.TURNS, online.EVERY_OF_MANY = map(int, count.split("/"))


if __name__ == "__main__":
    main()
