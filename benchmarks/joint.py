"""Do the bands of portfolios hold? Equal weights over the panel's 80 stocks and over 50 random ones of 10, 2008-2017.

The base network's recipe, learned to 2007 and to 2011, and the one that ships, learned to 2015, forecast the stocks
together from every tenth session, each on the years that were new to it, combined and calibrated as by the command.
The portfolio's path is the mean return of its stocks day by day along path p of each. Beside it: the same paths,
each stock's put in an order of its own, as if they were independent, and GARCH on the portfolio's own history, fitted
once a year. No row after 2017 is read.

Prints a table and writes benchmarks/results/joint.json. Needs the real series in ../shared/data; some half an hour on
two cores; the two networks that are made for it wait in --networks, as for benchmarks/gain.py.

    python benchmarks/joint.py [--paths 300] [--every 10] [--steps 1,5,20]
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
from bands import DATA, PANEL, ROOT
from gain import LEAST_ROWS, PERIODS, as_shipped, network

from gatecast.calibration.online import timestamps
from gatecast.calibration.walked import walking_seed
from gatecast.forecast import Forecast
from gatecast.judge.metrics import crps_paths, inside
from gatecast.judge.significance import diebold_mariano
from gatecast.model import Request
from gatecast.models.baselines import Garch
from gatecast.prices import PriceTable
from gatecast.readers.read import read_prices

STEPS, LEVELS = (1, 5, 20), np.array([0.5, 0.8, 0.9, 0.95])
PORTFOLIOS, SIZE = 50, 10
AT_ONCE, REFIT = 4, 24  # origins of a batch, and between fits of GARCH: a year of every tenth session


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    results = ROOT / "benchmarks" / "results"
    parser.add_argument("--paths", type=int, default=300)
    parser.add_argument("--every", type=int, default=10, help="sessions between origins")
    parser.add_argument(
        "--steps", default=",".join(map(str, STEPS)), help="those judged; fewer take less time, and other draws"
    )
    parser.add_argument("--networks", type=Path, default=results / "networks", help="where made ones wait")
    parser.add_argument("--out", type=Path, help="default: joint.json, of other steps joint_some.json")
    arguments = parser.parse_args()
    arguments.steps = [int(step) for step in arguments.steps.split(",")]
    if not DATA.is_dir():
        sys.exit("this benchmark needs the real series in ../shared/data, which are not here.")
    prices = read_prices(DATA / PANEL).until(np.datetime64(PERIODS[-1][1]))
    table = pd.DataFrame([found for period in PERIODS for found in judged_in(period, prices, arguments)])
    document = {"paths": arguments.paths, "every": arguments.every, "rows": list(summaries(table, arguments.every))}
    out = arguments.out or results / ("joint.json" if tuple(arguments.steps) == STEPS else "joint_some.json")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(document, indent=1) + "\n")
    print(f"written to {out}")


def holdings(items: int) -> np.ndarray:
    """Weights, (portfolio, item): all items alike, then random ones of SIZE."""
    rng = np.random.default_rng(0)
    chosen = [rng.choice(items, SIZE, replace=False) for _ in range(PORTFOLIOS)]
    return np.stack([np.ones(items), *(np.isin(np.arange(items), some).astype(float) for some in chosen)])


def judged_in(period: tuple[str, str], prices: PriceTable, arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """A row a model, portfolio, origin and step of a period, by the network to which its days are new."""
    until, end = period
    steps, horizon = arguments.steps, max(arguments.steps)
    calendar = timestamps(prices)
    origins = calendar[calendar > np.datetime64(PERIODS[0][0])][: -max(*STEPS, *steps)][:: arguments.every]
    mine = list(origins[(origins > np.datetime64(until)) & (origins <= np.datetime64(end))])
    ready = np.array([(series.timestamps <= mine[0]).sum() >= LEAST_ROWS for series in prices])
    table = prices.select(tuple(np.array(prices.item_ids)[ready].tolist()))
    weights = holdings(len(prices))[:, ready]
    shares = weights / weights.sum(axis=1, keepdims=True)
    histories = portfolios(table, shares)
    model = network(until, arguments.networks)
    known = as_shipped(model, table, mine[0])
    for first in range(0, len(mine), AT_ONCE):
        some = mine[first : first + AT_ONCE]
        seeds = [walking_seed(origin) for origin in some]
        request = Request(cutoffs=some, horizon=horizon, paths=arguments.paths, seeds=seeds)
        if first % REFIT == 0:
            garch = Garch().fit(histories.until(some[0]))
        for origin, forecast in zip(
            some, known.apply(model, table, some, model.predict_at(table, request)), strict=True
        ):
            rival = garch.predict(histories.until(origin), horizon, paths=arguments.paths, seed=walking_seed(origin))
            drawn = {"joint": moves_of(forecast), "garch": rival}
            drawn["independent"] = shuffled(drawn["joint"], origin)
            for number, (series, share) in enumerate(zip(histories, shares, strict=True)):
                start = int(np.searchsorted(series.timestamps, origin))
                ahead = np.log(series.close[start + 1 : start + 1 + horizon] / series.close[start])
                for name, of in drawn.items():
                    paths = rival.items[number].log_returns() if name == "garch" else along(share, of)
                    for step in steps:
                        yield row(name, number, origin, step, paths[:, step - 1], ahead[step - 1])
        print(f"\r{some[-1].astype('datetime64[D]')}", end="", file=sys.stderr, flush=True)


def portfolios(table: PriceTable, shares: np.ndarray) -> PriceTable:
    """The history of each portfolio, rebalanced daily; a stock that has no price yet takes no part."""
    closes = pd.DataFrame({series.item_id: pd.Series(series.close, series.timestamps) for series in table})
    returns = closes.pct_change(fill_method=None)
    present = returns.notna().to_numpy() @ shares.T
    moves = pd.DataFrame(returns.fillna(0.0).to_numpy() @ shares.T / np.maximum(present, 1e-9), index=returns.index)
    values = 100 * (1 + moves).cumprod()
    return PriceTable.from_close({f"{number}": (values[number].to_numpy(), values.index) for number in values})


def moves_of(forecast: Forecast) -> np.ndarray:
    """Simple returns of each stock, path and step, in single precision."""
    closes = [np.column_stack([np.full(forecast.n_paths, item.last_close), item.paths]) for item in forecast]
    return np.stack([(of[:, 1:] / of[:, :-1] - 1).astype(np.float32) for of in closes])


def shuffled(moves: np.ndarray, origin: np.datetime64) -> np.ndarray:
    """Each stock's paths in an order of its own."""
    rng = np.random.default_rng(walking_seed(origin))
    return np.stack([rng.permutation(of) for of in moves])


def along(share: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """Log returns of a portfolio since the start, (paths, horizon)."""
    held = share > 0
    return np.log1p(np.tensordot(share[held], moves[held], axes=1)).cumsum(axis=1)


def row(model: str, portfolio: int, date: np.datetime64, step: int, drawn: np.ndarray, actual: float) -> dict[str, Any]:
    low, high = np.quantile(drawn, [(1 - LEVELS) / 2, (1 + LEVELS) / 2], method="weibull")
    held = inside(low, high, np.full_like(LEVELS, actual))
    crps = float(crps_paths(drawn[None], np.array([actual]))[0])
    return {"model": model, "portfolio": portfolio, "date": date, "step": step, "crps": crps} | dict(
        zip(map(str, LEVELS), held, strict=True)
    )


def summaries(table: pd.DataFrame, every: int) -> Iterator[dict[str, Any]]:
    """Prints and gives a row of each model, kind of portfolio and step."""
    print(f"{table['date'].nunique()} origins; CRPS against garch in percent, and the Diebold-Mariano statistic")
    print("portfolios  step  paths        50/80/90/95% held      CRPS     DM")
    table["kind"] = np.where(table["portfolio"] == 0, "all 80", f"{PORTFOLIOS} of {SIZE}")
    for (kind, step), part in table.groupby(["kind", "step"]):
        crps = part.groupby(["date", "model"])["crps"].mean().unstack("model")
        for model in ("joint", "independent", "garch"):
            mine = part[part["model"] == model]
            held = {str(level): float(mine[str(level)].mean()) for level in LEVELS}
            gain = float(crps[model].mean() / crps["garch"].mean() - 1)
            difference = (crps["garch"] - crps[model]).to_numpy()
            statistic = diebold_mariano(difference, overlap=(int(step) - 1) // every).dm
            shares = "/".join(f"{100 * share:.1f}" for share in held.values())
            print(f"{kind:10s} {step:5d}  {model:11s}  {shares:20s} {100 * gain:+7.2f}% {statistic:+6.1f}", flush=True)
            yield {"portfolios": kind, "step": int(step), "paths": model, "coverage": held, "crps": gain}


if __name__ == "__main__":
    main()
