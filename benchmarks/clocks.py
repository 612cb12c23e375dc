"""Do the bands hold on weeks and months, and how sharp are they? Stocks of the panel, resampled, 2012 to 2017.

Weekly rows are those of `--weekly` of the panel's stocks, monthly rows of `--monthly`: the last close of each week or
month, its range and volume. Every row is an origin, on 2012 to 2015 of the network that learned to 2011, on 2016 and
2017 of the one that learned to 2015; steps are 1, 4 and 12. The table is that of benchmarks/combination.py; its columns
`combined` and `as it ships` are of the network alone where an item has fewer than 750 rows.

Needs the real series in ../shared/data; some minutes on a core.

    python benchmarks/clocks.py [--networks FOLDER] [--weekly 16] [--monthly 40]
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import combination
import gain
import numpy as np
import pandas as pd
from bands import DATA, PANEL, ROOT

from gatecast.prices import PriceTable
from gatecast.readers.read import read_prices

STEPS = (1, 4, 12)


def main() -> None:
    results = ROOT / "benchmarks" / "results"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=Path, default=results / "networks", help="where made ones wait")
    parser.add_argument("--weekly", type=int, default=16, help="stocks of the panel's 80")
    parser.add_argument("--monthly", type=int, default=40)
    parser.add_argument("--paths", type=int, default=200)
    parser.add_argument("--out", type=Path, default=results / "clocks.json")
    arguments = parser.parse_args()
    if not DATA.is_dir():
        sys.exit("this benchmark needs the real series in ../shared/data, which are not here.")
    for module in (gain, combination):
        module.EVERY, module.HORIZON, module.STEPS = 1, STEPS[-1], STEPS  # type: ignore[attr-defined]
    combination._COLUMNS = np.array(STEPS) - 1
    rows = []
    for clock, period, count in (("week", "W", arguments.weekly), ("month", "M", arguments.monthly)):
        scores = combination.scored(resampled(period, count), arguments.networks, arguments.paths, combination.PERIODS)
        rows += [{"class": clock, **row} for row in combination.summary(scores)]
        combination.show(clock, rows)
    arguments.out.write_text(json.dumps({"paths": arguments.paths, "rows": rows}, indent=1) + "\n")
    print(f"written to {arguments.out}")


def resampled(period: str, count: int) -> PriceTable:
    """So many stocks of the panel, a row a period, up to the end of 2018, so that the last forecasts have outcomes."""
    panel = read_prices(DATA / PANEL)
    frame = panel.select(panel.item_ids[:: max(len(panel) // count, 1)][:count]).to_frame()
    periods = frame["timestamp"].dt.to_period(period).rename("period")
    grouped = frame.groupby(["item_id", periods], sort=False)
    table = grouped.agg(
        timestamp=("timestamp", "last"),
        open=("open", "first"),
        high=("high", "max"),
        low=("low", "min"),
        close=("close", "last"),
        volume=("volume", "sum"),
    )
    rows = table.reset_index().drop(columns="period")
    return read_prices(rows[rows["timestamp"] < pd.Timestamp("2019-01-01")])


if __name__ == "__main__":
    main()
