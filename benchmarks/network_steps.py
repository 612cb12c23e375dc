"""How sharp are base networks 1, 5 and 20 days ahead, with the dates of events and without?

Each folder of `--networks` holds a base network; the first is what the others are held against. They forecast the 80
stocks of the panel as one table at every `--every`-th session, not calibrated and not combined. CRPS is in percent of
the first network's, negative where another is better; DM is the Diebold-Mariano statistic over dates, positive where
it is better.

Needs the real series in ../shared/data.

    python benchmarks/network_steps.py --networks A,B [--after 2011-12-31] [--to 2015-12-31] [--every 10]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import gain
import numpy as np
from bands import DATA, HORIZON, PANEL, ROOT, STEPS

sys.path.append(str(ROOT / "scripts"))
from make_base import EVENTS

from gatecast.judge.metrics import crps_paths, inside
from gatecast.judge.significance import by_date, diebold_mariano
from gatecast.models.base import BaseNetworks
from gatecast.models.shipped import load_ensemble
from gatecast.prices import PriceTable
from gatecast.readers.events import read_events
from gatecast.readers.read import read_prices

_COLUMNS = np.array(STEPS) - 1
_ENDS = (0.05, 0.1, 0.25, 0.75, 0.9, 0.95)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", required=True, help="folders, by commas; the first is the one to beat")
    parser.add_argument("--after", default="2011-12-31", help="the last day before the period")
    parser.add_argument("--to", default="2015-12-31", help="the last day of the period")
    parser.add_argument("--every", type=int, default=10, help="sessions between two origins")
    parser.add_argument("--paths", type=int, default=200)
    parser.add_argument("--data", type=Path, default=DATA)
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        sys.exit("this benchmark needs the real series in ../shared/data, which are not here.")
    gain.EVERY = arguments.every
    last = np.datetime64(arguments.to) + np.timedelta64(60, "D")
    prices = read_prices(arguments.data / PANEL).until(last)
    dated = prices.with_events(read_events(arguments.data / EVENTS))
    print(f"{'network':28s} events step    CRPS     DM  50/80/90% held  forecasts")
    first: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
    for folder in map(Path, arguments.networks.split(",")):
        ensemble = load_ensemble(folder)
        model = BaseNetworks(members=ensemble.members, until=ensemble.until)
        for with_events in (False, True) if ensemble.members[0].known_events else (False,):
            scored = scores(model, dated if with_events else prices, arguments)
            first = first or scored
            show(folder, with_events, scored, first)


def scores(
    model: BaseNetworks, prices: PriceTable, arguments: argparse.Namespace
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Dates, (forecast,); CRPS, (forecast, step); whether each band held, (forecast, step, band)."""
    dates, crps, held = [], [], []
    for origin, forecast in gain.forecasts(model, prices, arguments.after, arguments.to, arguments.paths):
        for item in forecast:
            series = prices[item.item_id]
            row = int(np.searchsorted(series.timestamps, item.last_timestamp, side="right"))
            if row + HORIZON > len(series):
                continue
            actual = np.log(series.close[row + _COLUMNS] / item.last_close)
            moves = item.log_returns()[:, _COLUMNS]
            ends = np.quantile(moves, _ENDS, axis=0)
            dates.append(origin)
            crps.append(crps_paths(moves.T, actual))
            held.append(np.stack([inside(ends[2 - band], ends[3 + band], actual) for band in range(3)], axis=-1))
    return np.array(dates), np.array(crps), np.array(held, dtype=float)


def show(
    folder: Path,
    with_events: bool,
    scored: tuple[np.ndarray, np.ndarray, np.ndarray],
    first: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    dates, crps, held = scored
    for at, step in enumerate(STEPS):
        saved = by_date(first[1][:, at] - crps[:, at], dates)
        overlap = max(-(-step // gain.EVERY) - 1, 0)
        dm = 0.0 if scored is first else diebold_mariano(saved, overlap=overlap).dm
        change = 100 * (crps[:, at].mean() / first[1][:, at].mean() - 1)
        shares = "/".join(f"{100 * share:.1f}" for share in held[:, at].mean(axis=0))
        print(
            f"{str(folder)[-28:]:28s} {'yes' if with_events else 'no':6s} {step:4d} {change:+6.2f}%  {dm:5.1f}  "
            f"{shares:14s} {len(dates):10,d}",
            flush=True,
        )


if __name__ == "__main__":
    main()
