"""How strongly should calibration answer? Several gains on the years before those of the report.

The base network's recipe, learned to 2007 and to 2011, and the one that ships, learned to 2015, forecast the 80 stocks
at every fifth session of 2008-2011, 2012-2015 and 2016-2017. One calibrator follows all ten years. For each gain the
table has, by step, what calibration cost in CRPS, and how far the bands strayed from what they promise: over the
50, 80, 90 and 95% bands of the ten years the root mean square, and the farthest, in points. The rule for the gain
that ships: at most 0.15% at any of the steps 1, 5 and 20.

Needs the real series in ../shared/data; some half an hour; the two networks that are made for it wait in --networks.

    python benchmarks/gain.py [--gains 0.1,0.18,0.25] [--paths 200]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path += [str(ROOT / "benchmarks"), str(ROOT / "scripts")]

from bands import DATA, EVERY, HORIZON, PANEL, STEPS
from make_base import curriculum, histories, trained

from gatecast.calibration import bands as calibration
from gatecast.calibration import gains, online, turns
from gatecast.calibration.online import OnlineCalibration, calibrate
from gatecast.calibration.walked import walking_seed
from gatecast.forecast import Forecast
from gatecast.judge.metrics import crps_paths, inside
from gatecast.model import Request
from gatecast.models.base import BaseNetworks
from gatecast.models.rivals import RivalModels
from gatecast.models.shipped import SHIPPED, load_ensemble, save_ensemble
from gatecast.prices import PriceTable
from gatecast.readers.read import read_prices

PERIODS = (("2007-12-31", "2011-12-31"), ("2011-12-31", "2015-12-31"), ("2015-12-31", "2017-12-31"))
LEAST_ROWS = 30  # a stock takes part from then on
AT_ONCE = 8  # origins a batch
BANDS = (0.5, 0.8, 0.9, 0.95)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    results = ROOT / "benchmarks" / "results"
    parser.add_argument("--gains", default="0.1,0.18,0.25")
    parser.add_argument("--paths", type=int, default=200)
    parser.add_argument("--networks", type=Path, default=results / "networks", help="where made ones wait")
    parser.add_argument("--out", type=Path, default=results / "gain.json")
    arguments = parser.parse_args()
    if not DATA.is_dir():
        sys.exit("this benchmark needs the real series in ../shared/data, which are not here.")
    prices = read_prices(DATA / PANEL).until(np.datetime64(PERIODS[-1][1]))
    walked = [
        pair
        for until, end in PERIODS
        for pair in forecasts(network(until, arguments.networks), prices, until, end, arguments.paths)
    ]
    raw = judged(walked, prices, 0.0)
    rows = []
    print("gain  step    cost   strays: mean  most (points)")
    for gain in map(float, arguments.gains.split(",")):
        calibrated = judged(walked, prices, gain)
        for step in STEPS:
            stray = calibrated["held"][step] - np.array(BANDS)
            row = {
                "gain": gain,
                "step": step,
                "cost": float(calibrated["crps"][step] / raw["crps"][step] - 1),
                "stray": float(np.sqrt((stray**2).mean())),
                "farthest": float(np.abs(stray).max()),
            }
            rows.append(row)
            strayed = f"{100 * row['stray']:12.2f}  {100 * row['farthest']:4.1f}"
            print(f"{gain:4.2f}  {step:4d}  {100 * row['cost']:+.2f}%  {strayed}", flush=True)
    arguments.out.write_text(json.dumps({"paths": arguments.paths, "rows": rows}, indent=1) + "\n")
    print(f"written to {arguments.out}")


def network(until: str, folder: Path) -> BaseNetworks:
    """The base network that learned up to this day: the one that ships, or one made by its recipe."""
    place = SHIPPED / until
    if not place.is_dir():
        place = folder / until
    if not (place / "model.json").exists():
        learned = histories(DATA, until)
        members = trained(*curriculum(learned))
        save_ensemble(place, members, until=until, items=learned.items)
    return loaded(place)


def loaded(folder: Path) -> BaseNetworks:
    """The base network of a folder."""
    ensemble = load_ensemble(folder)
    return BaseNetworks(members=ensemble.members, until=ensemble.until)


def as_shipped(model: BaseNetworks, prices: PriceTable, first: np.datetime64) -> OnlineCalibration:
    """Combined and calibrated as the command does, from the network's first new row; `apply` walks on from there.

    Of a table whose items take turns the origins lie as far apart as where there are rows enough.
    """
    known = calibrate(model, prices.until(first), after=model.until, rivals=RivalModels())
    if turns.turns_of(len(known.items)) > 1:
        known.every, known.pace = online.EVERY_OF_MANY, online.EVERY_OF_MANY / online.EVERY
    return known


def forecasts(
    model: BaseNetworks, prices: PriceTable, after: str, end: str, paths: int
) -> Iterator[tuple[np.datetime64, Forecast]]:
    """The raw forecasts at every fifth session of a period."""
    calendar = np.unique(np.concatenate([series.timestamps for series in prices]))[LEAST_ROWS:]
    origins = calendar[(calendar > np.datetime64(after)) & (calendar <= np.datetime64(end))][::EVERY]
    for first in range(0, len(origins), AT_ONCE):
        some = list(origins[first : first + AT_ONCE])
        ready = [series.item_id for series in prices if (series.timestamps <= some[0]).sum() >= LEAST_ROWS]
        seeds = [walking_seed(origin) for origin in some]
        answered = model.predict_at(
            prices.select(tuple(ready)),
            Request(cutoffs=some, horizon=HORIZON, paths=paths, seeds=seeds, extremes=False),
        )
        lean = [replace(day, items=tuple(replace(item, density=None) for item in day)) for day in answered]
        yield from zip(some, lean, strict=True)
        print(f"\r{some[-1].astype('datetime64[D]')}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)


def judged(walked: list[tuple[np.datetime64, Forecast]], prices: PriceTable, gain: float) -> dict[str, Any]:
    """Mean CRPS by step, and by step the share each band held in each year, (year, band); gain 0: not calibrated."""
    known = calibration.Calibrator.fresh(HORIZON)
    ends = np.ravel([[(1 - level) / 2, (1 + level) / 2] for level in BANDS])
    columns = np.array(STEPS) - 1
    crps, held, years = [], [], []
    with answering(gain):
        for origin, forecast in walked:
            answered = forecast
            if gain:
                known = known.settle(prices.until(origin))
                answered, known = known.apply(forecast), known.record(forecast)
            for item in answered:
                series = prices[item.item_id]
                first = int(np.searchsorted(series.timestamps, item.last_timestamp, side="right"))
                if first + HORIZON > len(series):
                    continue
                actual = np.log(series.close[first + columns] / item.last_close)
                moves = item.log_returns()[:, columns]
                bands = np.quantile(moves, ends, axis=0, method="weibull").T.reshape(len(STEPS), len(BANDS), 2)
                crps.append(crps_paths(moves.T, actual))
                held.append(inside(bands[..., 0], bands[..., 1], actual[:, None]))
                years.append(origin.astype("datetime64[Y]"))
    shares, year = np.array(held, dtype=float), np.array(years)
    by_year = np.array([shares[year == number].mean(axis=0) for number in np.unique(year)])
    return {
        "crps": dict(zip(STEPS, np.mean(crps, axis=0), strict=True)),
        "held": {step: by_year[:, place] for place, step in enumerate(STEPS)},
    }


@contextmanager
def answering(gain: float) -> Iterator[None]:
    """Calibrators answer with this gain, and no other."""
    usual = gains.GAINS.copy(), gains.BELIEF.copy(), gains.DOUBT
    gains.GAINS[:], gains.BELIEF[:], gains.DOUBT = gain, 1 / len(usual[0]), 0.0
    try:
        yield
    finally:
        gains.GAINS[:], gains.BELIEF[:], gains.DOUBT = usual


if __name__ == "__main__":
    main()
