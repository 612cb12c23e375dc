"""Remake a base network that ships with gatecast, from the price histories and event dates in ../shared/data.

    python scripts/make_base.py [--until 2015-12-31] [--members 5] [--to src/gatecast/data/base/2015-12-31]

No row after `--until` is read by the training. Some three minutes a member on one core; the same data, seed and machine
give the same bytes. What a member has learned is kept in the folder of `--kept`, so that a run that was cut off goes on
with the next.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from gatecast.features.signals import Moves
from gatecast.models.shipped import SHIPPED, save_ensemble
from gatecast.nn.base_network import BaseNetwork, of_weights
from gatecast.nn.model_files import read_state, write_state
from gatecast.nn.training.base import train_base
from gatecast.nn.training.loop import Progress
from gatecast.nn.training.sequences import Pool, TrainingSequence
from gatecast.prices import PriceSeries, PriceTable
from gatecast.readers.events import read_events
from gatecast.readers.read import read_prices

ROOT = Path(__file__).parents[1]
PANEL = "panel/us_stocks_80_ohlcv_2005_2021.csv.gz"
OTHERS = (  # ranges and volumes where they have them
    "daily/sp500_index_ohlcv_1999_2018.csv",
    "daily/nasdaq_index_ohlcv_1999_2018.csv",
    "daily/ko_ohlcv_2000_2021.csv",
    "daily/tsla_ohlcv_2010_2021.csv",
    "daily/msft_adjusted_ohlcv_1986_2017.csv",
    "daily/aapl_raw_unadjusted_ohlcv_2000_2013.csv",
    "daily/ibm_raw_unadjusted_ohlcv_2000_2013.csv",
    "daily/goog_raw_unadjusted_ohlcv_2004_2013.csv",
    "daily/btc_usd_ohlcv_2014_2021.csv",
    "daily/eth_usd_ohlcv_2017_2021.csv",
    "daily/btc_usdt_binance_ohlcv_2018_2021.csv",
    "daily/wti_spot_close_1986_2021.csv",
    "daily/fx_ecb_reference_1999_2021.csv",
    "panel/us_stocks_20_adjclose_1990_2021.csv.gz",
)
PEGGED = "DKK"  # to the euro: its noise is the peg's, not a market's
LEAST_ROWS = 200
MEMBERS = 5
SMALL, LARGE = 12, 80  # items of a small table, and of a large one
WIDE = "panel/us_stocks_wide_550_ohlcv_2000_2021.parquet"
MARKETS = "panel/other_markets_437_ohlcv_2000_2021.parquet"
EVENTS = "events/us_earnings_dates_2003_2021.csv.gz"
# Copies of others, times two or three.
LEVERAGED = frozenset({"TQQQ", "SQQQ", "SH", "SSO", "QLD", "SPXL", "UPRO", "SOXL", "FAS", "TNA", "LABU", "USD"})
# Pegs, and bills.
STILL = frozenset({"HKD=X", "EURHRK.ECB", "EURRON.ECB", "EURSKK.ECB", "BIL", "SCHO", "VGSH", "SHY", "MINT"})
FAINT = 0.3  # how likely these are drawn beside others
COPY = 0.97  # a correlation of daily returns; funds that are more alike are one fund
NO_BARS = 0.01  # of the days of a series; with more of them it is read as closes alone
UPDATES = 2400  # four times those of 80 stocks: there is more to learn from


@dataclass(frozen=True, kw_only=True)
class Histories:
    """What a network learns from: `panel` and `wide` are US stocks, `others` tables of all kinds, `markets` by class.

    `weights` say how likely some of the items of `markets` are drawn, beside 1.
    """

    panel: list[PriceSeries]
    wide: list[PriceSeries]
    others: list[list[PriceSeries]]
    markets: dict[str, list[PriceSeries]]
    weights: dict[str, float]

    @property
    def stocks(self) -> list[PriceSeries]:
        """The stocks of both panels."""
        return [*self.panel, *self.wide]

    @property
    def items(self) -> list[str]:
        """The names of all of them."""
        tables = (self.panel, self.wide, *self.others, *self.markets.values())
        return sorted({series.item_id for table in tables for series in table})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--until", default="2015-12-31", help="the last day the network may learn from")
    parser.add_argument("--members", type=int, default=MEMBERS)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--to", type=Path, help="the folder to write; else the one that ships, named by the day")
    parser.add_argument("--kept", type=Path, help="a folder where members wait until all of them are trained")
    parser.add_argument("--updates", type=int, default=UPDATES)
    parser.add_argument("--stocks", type=int, help="learn from so many stocks of the wide panel alone: a quick trial")
    arguments = parser.parse_args()
    to = arguments.to or SHIPPED / arguments.until
    learned = histories(arguments.data, arguments.until, stocks=arguments.stocks)
    print(f"{len(learned.items)} items are read", file=sys.stderr, flush=True)
    pool, standard = curriculum(learned)
    members = trained(pool, standard, arguments.members, updates=arguments.updates, kept=arguments.kept)
    save_ensemble(to, members, until=arguments.until, items=learned.items)
    print(f"base network to {arguments.until} written to {to}")


def trained(
    pool: Pool,
    standard: list[TrainingSequence],
    members: int = MEMBERS,
    kind: type[BaseNetwork] = BaseNetwork,
    *,
    updates: int = UPDATES,
    kept: Path | None = None,
) -> list[BaseNetwork]:
    """The members of an ensemble, a seed each, one after another; progress on stderr.

    In the folder `kept` each waits as a file once it is trained; those that wait there are not trained again.
    """
    made = []
    for seed in range(members):
        waiting = None if kept is None else kept / f"member-{seed}.safetensors"
        if waiting is not None and waiting.exists():
            made.append(of_weights(read_state(waiting)[0]))
        else:
            made.append(train_base(pool, standard, seed, updates=updates, kind=kind, progress=say))
            if waiting is not None:
                write_state(waiting, made[-1].state_dict(), {"seed": seed, "updates": updates})
        print(f"member {seed + 1} of {members} is trained", file=sys.stderr, flush=True)
    return made


def say(progress: Progress) -> None:
    """How far a member is, now and then."""
    if round(1000 * progress.share) % 50 == 0:
        text = f"{progress.share:.0%}, loss {progress.loss:.4f}, {progress.seconds_left:.0f} s left"
        print(f"\r{text}", end="", file=sys.stderr, flush=True)


def histories(data: Path, until: str, *, stocks: int | None = None) -> Histories:
    """All histories up to a date, of each table the series with enough rows; stocks with their reports."""
    events = read_events(data / EVENTS)
    stocks_of = {}
    for name in (PANEL, WIDE):
        table = read_prices(cut(data / name, until), repair=True).with_events(events)
        stocks_of[name] = enough(table)
    others = []
    for name in OTHERS:
        table = read_prices(data / name, repair=True)
        if min(series.timestamps[0] for series in table) <= pd.Timestamp(until).to_datetime64():
            others.append([series for series in enough(table.until(until)) if series.item_id != PEGGED])
    markets = other_markets(cut(data / MARKETS, until))
    weights = dict.fromkeys(LEVERAGED | STILL, FAINT)
    for table in markets.values():
        for item, alike in copies(table).items():
            weights[item] = weights.get(item, 1.0) / alike
    return Histories(
        panel=stocks_of[PANEL], wide=stocks_of[WIDE][:stocks], others=others, markets=markets, weights=weights
    )


def cut(file: Path, until: str) -> pd.DataFrame:
    """The rows of a panel up to a date."""
    frame = pd.read_parquet(file) if file.suffix == ".parquet" else pd.read_csv(file, parse_dates=["date"])
    return frame[frame["date"] <= pd.Timestamp(until)]


def other_markets(frame: pd.DataFrame) -> dict[str, list[PriceSeries]]:
    """Series by class; currencies, and those whose bars are often blank, as closes alone."""
    bars = ["open", "high", "low"]
    blank = frame["open"].isna().groupby(frame["ticker"], observed=True).transform("mean") > NO_BARS
    frame = frame.copy()
    frame.loc[blank | (frame["class"] == "fx"), bars] = np.nan
    return {
        str(name): series
        for name, rows in frame.groupby("class", observed=True)
        if (series := enough(read_prices(rows.drop(columns=["class", "source"]), repair=True)))
    }


def copies(table: list[PriceSeries]) -> dict[str, int]:
    """How many series of a table, itself among them, move as each one does."""
    returns = pd.DataFrame(
        {series.item_id: pd.Series(np.diff(np.log(series.close)), series.timestamps[1:]) for series in table}
    )
    alike = returns.corr(min_periods=LEAST_ROWS).abs() > COPY
    return {str(item): max(int(count), 1) for item, count in alike.sum().items()}


def enough(table: PriceTable) -> list[PriceSeries]:
    return [series for series in table if len(series) >= LEAST_ROWS]


# How often a class of other markets is drawn: often enough that none is a stranger.
CLASS_SHARES = {
    "etf_equity": 0.06,
    "etf_bond": 0.05,
    "etf_commodity": 0.02,
    "future": 0.05,
    "index": 0.05,
    "fx": 0.05,
    "coin": 0.03,
}


def curriculum(learned: Histories) -> tuple[Pool, list[TrainingSequence]]:
    """Shares of each version, and the panel's whole one, the standard.

    The network must have learned to do without what a user may lack (ranges, volumes, a cross-section, dates of
    events), and a cross-section may be that of a dozen items. Of some versions a third of the stocks is enough.
    """
    stocks = learned.stocks
    third = partial(in_tables, stocks, LARGE, share=1 / 3)
    small = partial(in_tables, stocks, SMALL)
    closes = {"ranges": False, "volumes": False}
    panel = sequences([learned.panel])
    funds = [series for name in ("etf_equity", "etf_bond") for series in learned.markets.get(name, [])]
    groups = {
        "panel": (0.1, panel),
        "wide": (0.2, in_tables(learned.wide, LARGE, 1)),
        "stocks in small tables": (0.15, small(2)),
        "stocks without volumes": (0.05, third(3, volumes=False)),
        "stocks without ranges": (0.03, third(4, ranges=False)),
        "stocks, closes alone": (0.05, third(5, **closes)),
        "closes alone in small tables": (0.04, in_tables(stocks, SMALL, 6, share=1 / 3, **closes)),
        "others": (0.07, sequences(learned.others)),
        "funds in small tables": (0.03, in_tables(funds, SMALL, 7)),
    }
    for name, table in learned.markets.items():
        groups[name] = (CLASS_SHARES[name], sequences([[series] for series in table]))
    ranged = [
        [series] for table in (*learned.others, *learned.markets.values()) for series in table if has_range(series)
    ]
    groups["others, closes alone"] = (0.05, sequences(ranged, **closes))
    return Pool.of(groups, weights=learned.weights), panel


def has_range(series: PriceSeries) -> bool:
    return Moves.of(series).day_range is not None


def in_tables(
    series: list[PriceSeries], size: int, seed: int, *, share: float = 1.0, ranges: bool = True, volumes: bool = True
) -> list[TrainingSequence]:
    """Sequences of a share of some series, split into tables of so many items at random."""
    order = np.random.default_rng(seed).permutation(len(series))[: round(share * len(series))]
    parts = np.array_split(order, max(len(order) // size, 1))
    tables = [[series[place] for place in places] for places in parts if len(places)]
    return sequences(tables, ranges=ranges, volumes=volumes)


def sequences(tables: list[list[PriceSeries]], *, ranges: bool = True, volumes: bool = True) -> list[TrainingSequence]:
    """The sequences of every table, read table by table."""
    return [
        sequence for table in tables for sequence in TrainingSequence.of_table(table, ranges=ranges, volumes=volumes)
    ]


if __name__ == "__main__":
    main()
