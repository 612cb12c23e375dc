"""Remake a base network that ships with gatecast, from the price histories in ../shared/data.

    python scripts/make_base.py [--until 2015-12-31] [--members 5] [--to src/gatecast/data/base/2015-12-31]

No row after `--until` is read by the training. About half a minute a member on one core; the same data, seed and
machine give the same bytes.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from gatecast.features.signals import Moves
from gatecast.models.shipped import SHIPPED, save_ensemble
from gatecast.nn.base_network import BaseNetwork
from gatecast.nn.training.base import train_base
from gatecast.nn.training.sequences import Pool, TrainingSequence
from gatecast.prices import PriceSeries, PriceTable
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
SMALL = 12  # items of a small table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--until", default="2015-12-31", help="the last day the network may learn from")
    parser.add_argument("--members", type=int, default=MEMBERS)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--to", type=Path, help="the folder to write; else the one that ships, named by the day")
    arguments = parser.parse_args()
    to = arguments.to or SHIPPED / arguments.until
    panel, others = histories(arguments.data, arguments.until)
    pool, standard = curriculum(panel, others)
    members = trained(pool, standard, arguments.members)
    learned_from = sorted({series.item_id for table in (panel, *others) for series in table})
    save_ensemble(to, members, until=arguments.until, items=learned_from)
    print(f"base network to {arguments.until} written to {to}")


def trained(
    pool: Pool, standard: list[TrainingSequence], members: int = MEMBERS, kind: type[BaseNetwork] = BaseNetwork
) -> list[BaseNetwork]:
    """The members of an ensemble, a seed each; progress on stderr."""
    made = []
    for seed in range(members):
        made.append(train_base(pool, standard, seed, kind=kind))
        print(f"member {seed + 1} of {members} is trained", file=sys.stderr, flush=True)
    return made


def histories(data: Path, until: str) -> tuple[list[PriceSeries], list[list[PriceSeries]]]:
    """The panel, and the other tables, up to a date; of each the series with enough rows."""
    panel = enough(read_prices(data / PANEL, repair=True).until(until))
    others = []
    for name in OTHERS:
        table = read_prices(data / name, repair=True)
        if min(series.timestamps[0] for series in table) <= pd.Timestamp(until).to_datetime64():
            others.append([series for series in enough(table.until(until)) if series.item_id != PEGGED])
    return panel, others


def enough(table: PriceTable) -> list[PriceSeries]:
    return [series for series in table if len(series) >= LEAST_ROWS]


def curriculum(panel: list[PriceSeries], others: list[list[PriceSeries]]) -> tuple[Pool, list[TrainingSequence]]:
    """Shares of each version, and the panel's whole one, the standard.

    The network must have learned to do without what a user may lack (ranges, volumes, a cross-section), and a
    cross-section may be that of a dozen items.
    """
    ranged = [[series] for table in others for series in table if Moves.of(series).day_range is not None]
    whole = sequences([panel])
    pool = Pool.of(
        {
            "panel": (0.35, whole),
            "panel in small tables": (0.2, in_small_tables(panel, 0)),
            "panel without volumes": (0.08, sequences([panel], volumes=False)),
            "panel without ranges": (0.05, sequences([panel], ranges=False)),
            "panel, closes alone": (0.07, sequences([panel], ranges=False, volumes=False)),
            "closes alone in small tables": (0.05, in_small_tables(panel, 1, ranges=False, volumes=False)),
            "others": (0.17, sequences(others)),
            "others, closes alone": (0.03, sequences(ranged, ranges=False, volumes=False)),
        }
    )
    return pool, whole


def in_small_tables(
    panel: list[PriceSeries], seed: int, *, ranges: bool = True, volumes: bool = True
) -> list[TrainingSequence]:
    """Sequences of the panel split into tables of some dozen items at random."""
    order = np.random.default_rng(seed).permutation(len(panel))
    tables = [[panel[place] for place in places] for places in np.array_split(order, max(len(panel) // SMALL, 1))]
    return sequences(tables, ranges=ranges, volumes=volumes)


def sequences(tables: list[list[PriceSeries]], *, ranges: bool = True, volumes: bool = True) -> list[TrainingSequence]:
    """The sequences of every table, read table by table."""
    return [
        sequence for table in tables for sequence in TrainingSequence.of_table(table, ranges=ranges, volumes=volumes)
    ]


if __name__ == "__main__":
    main()
