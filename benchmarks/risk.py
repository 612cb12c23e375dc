"""Are answers on risk right? Value at risk, and chances to touch a level, of 20 stocks of the panel, 2008-2017.

The base network's recipe, learned to 2007 and to 2011, and the one that ships, learned to 2015, forecast the stocks
together from every tenth session, each on the years that were new to it, combined and calibrated as by the command;
beside it GARCH, fitted once a year, and historical simulation. Judged as `gatecast backtest --risk` judges. No row
after 2017 is read.

Prints tables and writes benchmarks/results/risk.json. Needs the real series in ../shared/data; some quarter of an hour
on two cores; the two networks that are made for it wait in --networks, as for benchmarks/gain.py.

    python benchmarks/risk.py [--stocks 20] [--every 10]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from bands import DATA, PANEL, ROOT
from gain import LEAST_ROWS, PERIODS, as_shipped, network

from gatecast.calibration.online import timestamps
from gatecast.calibration.walked import walking_seed
from gatecast.forecast import Forecast
from gatecast.judge.comparisons import overlap_of
from gatecast.judge.risk_answers import risk_answers
from gatecast.judge.risk_record import risk_record
from gatecast.judge.risk_tests import reliability
from gatecast.judge.significance import coverage_interval
from gatecast.model import Model, Request
from gatecast.models.baselines import Garch, Historical
from gatecast.prices import PriceTable
from gatecast.readers.read import read_prices

HORIZON, PATHS = 20, 1000
AT_ONCE, REFIT = 4, 24  # origins of a batch, and between fits of the rivals: a year of every tenth session
LEAST_CASES = 200  # of a tenth of the chances


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    results = ROOT / "benchmarks" / "results"
    parser.add_argument("--stocks", type=int, default=20, help="of the panel's 80, evenly spaced")
    parser.add_argument("--every", type=int, default=10, help="sessions between origins")
    parser.add_argument("--networks", type=Path, default=results / "networks", help="where made ones wait")
    parser.add_argument("--out", type=Path, default=results / "risk.json")
    arguments = parser.parse_args()
    if not DATA.is_dir():
        sys.exit("this benchmark needs the real series in ../shared/data, which are not here.")
    panel = read_prices(DATA / PANEL).until(np.datetime64(PERIODS[-1][1]))
    some = np.linspace(0, len(panel) - 1, arguments.stocks).round().astype(int)
    prices = panel.select(tuple(panel.item_ids[place] for place in some))
    answers = []
    for period in PERIODS:
        for name, origin, forecast in forecasts(period, prices, arguments):
            rows = risk_answers(forecast, prices.until(origin).select(ids(forecast)), prices, origin, HORIZON)
            answers.append(pd.DataFrame({"model": name, **rows}))
    table = pd.concat(answers, ignore_index=True)
    record = risk_record(table)
    show("value at risk", record.losses.drop(columns=["effective"], errors="ignore"))
    show("Fissler-Ziegel score against rivals", record.against[record.against["model"] == "gatecast"])
    show("chances", record.chances[record.chances["model"] == "gatecast"])
    show(f"reliability, tenths with {LEAST_CASES} cases", tenths(table[table["model"] == "gatecast"]))
    show("equal-weight portfolio", record.portfolio[record.portfolio["model"] == "gatecast"])
    document = {"stocks": arguments.stocks, "every": arguments.every, **record.to_dict()}
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(document, indent=1) + "\n")
    print(f"written to {arguments.out}")


def tenths(answers: pd.DataFrame) -> pd.DataFrame:
    """What chances came true, by tenths of what was told; `low` and `high`: 95% interval of the mean over dates."""
    found = []
    for (question, step), rows in answers[answers["question"].isin(["touch", "stop"])].groupby(["question", "step"]):
        for tenth in reliability(rows["value"].to_numpy(), rows["observed"].to_numpy() > 0.5):
            if tenth.n >= LEAST_CASES:
                mine = rows[np.minimum((10 * rows["value"] + 1e-9).astype(int), 9) == tenth.tenth]
                happened = (mine["observed"] > 0.5).to_numpy(float)
                _, low, high = coverage_interval(happened, mine["cutoff"].to_numpy(), overlap=overlap_of(rows))
                gap = tenth.observed - tenth.predicted
                found.append({"question": question, "step": step, **vars(tenth), "gap": gap, "low": low, "high": high})
    return pd.DataFrame(found)


def ids(forecast: Forecast) -> tuple[str, ...]:
    return tuple(item.item_id for item in forecast)


def forecasts(
    period: tuple[str, str], prices: PriceTable, arguments: argparse.Namespace
) -> Iterator[tuple[str, np.datetime64, Forecast]]:
    """The forecasts of every model at every origin of a period, the network's by one to which its days are new."""
    until, end = period
    calendar = timestamps(prices)
    origins = calendar[calendar > np.datetime64(PERIODS[0][0])][:-HORIZON][:: arguments.every]
    mine = list(origins[(origins > np.datetime64(until)) & (origins <= np.datetime64(end))])
    table = prices.select(tuple(s.item_id for s in prices if (s.timestamps <= mine[0]).sum() >= LEAST_ROWS))
    model = network(until, arguments.networks)
    known = as_shipped(model, table, mine[0])
    for first in range(0, len(mine), AT_ONCE):
        some = mine[first : first + AT_ONCE]
        if first % REFIT == 0:
            rivals: list[Model] = [Garch().fit(table.until(some[0])), Historical().fit(table.until(some[0]))]
        seeds = [walking_seed(origin) for origin in some]
        request = Request(cutoffs=some, horizon=HORIZON, paths=PATHS, seeds=seeds)
        ours = known.apply(model, table, some, model.predict_at(table, request))
        for origin, seed, forecast in zip(some, seeds, ours, strict=True):
            yield "gatecast", origin, forecast
            for rival in rivals:
                yield rival.name, origin, rival.predict(table.until(origin), HORIZON, paths=PATHS, seed=seed)
        print(f"\r{some[-1].astype('datetime64[D]')}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)


def show(title: str, table: pd.DataFrame) -> None:
    print(f"\n{title}\n{table.to_string(index=False, float_format=lambda value: f'{value:.4f}')}", flush=True)


if __name__ == "__main__":
    main()
