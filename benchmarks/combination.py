"""What calibration and combination are worth, market by market, on the years that choices were made on (2012 to 2017).

Every fifth session the network forecasts 20 steps: on 2012 to 2015 the one that learned to 2011, from --networks or
trained, which takes hours; on 2016 and 2017 the one that ships and learned to 2015. Its forecasts are scored as they
are (`network`), through a calibrator with the gain 0.18 alone (`one gain`), through the one that ships (`gains`),
combined with GARCH, HAR and EWMA but not calibrated (`combined`), and combined, then calibrated (`as it ships`). All
that is learned online starts in 2012 with nothing. Loss is CRPS over the mean CRPS of the model `garch` for the same
item, so that every item counts the same; it is fitted once a year.

A row has, by class of market and step: the loss against GARCH in percent (under 0: sharper) with the statistic of
Diebold and Mariano over the dates of the class, the same of the class's worst item, how much bands of 50, 80, 90 and
95% held, and how far, in points, the shares of a year stray from that: the root mean square, and the farthest. Needs
the real series in ../shared/data; a quarter of an hour on a core. With --before there is a line more: each
variant's loss, with the statistic, against the networks of that folder, of an older recipe, alone and with the one
gain; negative where the variant is sharper. With --report the same on 2018 to 2021, without the
stocks, which benchmarks/bands.py reports: by the network that learned to 2015, what is learned online from 2016 on.

    python benchmarks/combination.py [--networks FOLDER] [--stocks 24] [--paths 300] [--only stock,oil] [--report]
                                       [--before FOLDER]
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from bands import DATA, HORIZON, PANEL, ROOT, STEPS
from gain import BANDS, answering, forecasts, loaded, network

from gatecast.calibration.bands import Calibrator
from gatecast.calibration.online import LEAST_ORIGINS, Known
from gatecast.calibration.raw_bands import RawBands
from gatecast.forecast import Forecast, ItemForecast
from gatecast.judge.comparisons import overlap_of
from gatecast.judge.metrics import crps_sorted, inside
from gatecast.judge.significance import by_date, diebold_mariano
from gatecast.models.baselines import Garch
from gatecast.models.rivals import RivalModels
from gatecast.prices import PriceTable
from gatecast.readers.read import read_prices

PERIODS = (("2011-12-31", "2015-12-31"), ("2015-12-31", "2017-12-31"))
REPORT, REPORTED = (("2015-12-31", "2021-12-31"),), np.datetime64("2018-01-01")
OTHERS = "panel/other_markets_437_ohlcv_2000_2021.parquet"
Periods = tuple[tuple[str, str], ...]  # of the last day that a network learned from, and of its last forecast
CLASSES = {
    "fund": ("EFA", "EWC", "IWM", "AGG", "TLT", "SLV"),
    "index": ("^GDAXI", "^AXJO", "^JKSE", "^FCHI"),
    "future": ("CL=F", "HG=F", "ZC=F", "ZN=F"),
    "currency": ("EURUSD=X", "JPY=X", "GBPUSD=X", "AUDUSD=X", "USDCAD.FED"),
}
ECB = ("USD", "JPY", "GBP", "AUD", "CAD", "NOK")
GARCH_PATHS = 2000
VARIANTS = ("network", "one gain", "gains", "combined", "as it ships")
_ENDS = np.ravel([[(1 - level) / 2, (1 + level) / 2] for level in BANDS])
_COLUMNS = np.array(STEPS) - 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    results = ROOT / "benchmarks" / "results"
    parser.add_argument("--networks", type=Path, default=results / "networks", help="where made ones wait")
    parser.add_argument("--stocks", type=int, default=24, help="of the panel's 80")
    parser.add_argument("--paths", type=int, default=300)
    parser.add_argument("--only", help="these classes")
    parser.add_argument("--before", type=Path, help="networks of an older recipe, by the day they learned to")
    parser.add_argument("--report", action="store_true", help="the years of the report, other markets alone")
    parser.add_argument("--out", type=Path, help="default: combination.json, or combination_report.json")
    arguments = parser.parse_args()
    out = arguments.out or results / ("combination_report.json" if arguments.report else "combination.json")
    periods = REPORT if arguments.report else PERIODS
    if not DATA.is_dir():
        sys.exit("this benchmark needs the real series in ../shared/data, which are not here.")
    rows = []
    print(f"| class | step | | {' | '.join(VARIANTS)} |\n| --- | ---: | --- | {' | '.join(['---:'] * len(VARIANTS))} |")
    for kind, tables in markets(arguments.stocks, periods).items():
        if (arguments.only and kind not in arguments.only.split(",")) or (arguments.report and kind == "stock"):
            continue
        scores = pd.concat(
            [scored(table, arguments.networks, arguments.paths, periods, arguments.before) for table in tables]
        )
        if arguments.report:
            scores = scores[scores["cutoff"] >= REPORTED]
        rows += [{"class": kind, **row} for row in summary(scores)]
        show(kind, rows)
        out.write_text(json.dumps({"paths": arguments.paths, "rows": rows}, indent=1) + "\n")
    print(f"written to {out}")


def markets(stocks: int, periods: Periods) -> dict[str, list[PriceTable]]:
    """Tables by class: the stocks and the ECB's currencies are one each, other items are forecast by themselves."""
    last = np.datetime64(periods[-1][1])
    panel = read_prices(DATA / PANEL)
    panel = panel.select(panel.item_ids[:: max(len(panel) // stocks, 1)][:stocks])
    others = pd.read_parquet(DATA / OTHERS)
    found = {"stock": [panel]}
    for kind, tickers in CLASSES.items():
        found[kind] = [other(others[others["ticker"] == ticker], ticker) for ticker in tickers]
    ecb = pd.read_csv(DATA / "daily" / "fx_ecb_reference_1999_2021.csv")
    found["ECB's currencies"] = [read_prices(ecb.melt("date", list(ECB), "item_id", "close"), repair=True)]
    found["oil"] = [read_prices(DATA / "daily" / "wti_spot_close_1986_2021.csv", repair=True)]
    found["coin"] = [read_prices(DATA / "daily" / "btc_usd_ohlcv_2014_2021.csv", repair=True)]
    return {kind: [table.until(last) for table in tables] for kind, tables in found.items()}


def other(rows: pd.DataFrame, ticker: str) -> PriceTable:
    """An item of other markets; closes alone where half of its rows have no range, as of currencies."""
    ranged = rows["open"].notna()
    columns = ["date", "close"] if ranged.mean() < 0.5 else ["date", "open", "high", "low", "close", "volume"]
    frame = rows[rows["close"].notna() & (ranged | (len(columns) == 2))][columns]
    return read_prices(frame.assign(item_id=ticker).reset_index(drop=True), repair=True)


def scored(
    prices: PriceTable, networks: Path, paths: int, periods: Periods, before: Path | None = None
) -> pd.DataFrame:
    """A row for each item, origin, step and variant, GARCH among them: CRPS, and whether each of BANDS held."""
    rivals, learners = RivalModels(), Learners(prices)
    rows: list[dict[str, Any]] = []
    for until, end in periods:
        walked = list(forecasts(network(until, networks), prices, until, end, paths))
        said = quantiles(rivals, prices, np.array([origin for origin, _ in walked]))
        older = dict(forecasts(loaded(before / until), prices, until, end, paths)) if before else {}
        for number, (origin, forecast) in enumerate(walked):
            beside = np.stack([said[item.item_id][number] for item in forecast])
            answers = learners.answers(origin, forecast, rivals, beside)
            if older:
                answers["before"] = learners.before(origin, older[origin])
            for item in forecast:
                series = prices[item.item_id]
                first = int(np.searchsorted(series.timestamps, item.last_timestamp, side="right"))
                if first + HORIZON > len(series):
                    continue
                actual = np.log(series.close[first + _COLUMNS] / item.last_close)
                ends = series.timestamps[first + _COLUMNS]
                if any(note.kind == "fallback" for note in answers["GARCH"][item.item_id].notes):
                    continue
                for variant, answer in answers.items():
                    about = {"item": item.item_id, "cutoff": origin, "variant": variant}
                    rows += [{**about, **row} for row in judged(answer[item.item_id], actual, ends)]
    return pd.DataFrame(rows)


class Learners:
    """What each variant has learned on the way."""

    def __init__(self, prices: PriceTable) -> None:
        self.prices = prices
        self.single = self.several = self.older = Calibrator.fresh(HORIZON)
        self.known = Known.fresh(HORIZON, combined=True)
        self.garch, self.year = Garch(), 0

    def answers(
        self, origin: np.datetime64, forecast: Forecast, rivals: RivalModels, beside: np.ndarray
    ) -> dict[str, Forecast]:
        """The forecast of each variant from this origin, later than those before; `beside` are the rivals'."""
        seen = self.prices.until(origin)
        if self.year != (year := int(origin.astype("datetime64[Y]").astype(int))):
            self.garch, self.year = Garch().fit(seen), year
        self.single, one_gain = with_one_gain(self.single, forecast, seen)
        self.several, self.known = self.several.settle(seen), self.known.settle(seen)
        assert self.known.combination is not None
        combined = self.known.combination.apply(forecast, seen, rivals)
        found = {
            "GARCH": self.garch.predict(seen, HORIZON, paths=GARCH_PATHS, seed=forecast.seed),
            "network": forecast,
            "one gain": one_gain,
            "gains": applied(self.several, forecast),
            "combined": combined,
            "as it ships": applied(self.known.calibrator, combined),
        }
        self.several = self.several.record(forecast)
        self.known = self.known.record(RawBands.of(forecast, HORIZON), beside)
        return found

    def before(self, origin: np.datetime64, forecast: Forecast) -> Forecast:
        """An older network's forecast as it shipped: calibrated by one gain."""
        self.older, found = with_one_gain(self.older, forecast, self.prices.until(origin))
        return found


def quantiles(rivals: RivalModels, prices: PriceTable, origins: np.ndarray) -> dict[str, np.ndarray]:
    """What GARCH, HAR and EWMA say of each item from each origin."""
    return {
        series.item_id: rivals.quantiles(series, np.searchsorted(series.timestamps, origins, side="right"), HORIZON)
        for series in prices
    }


def with_one_gain(known: Calibrator, forecast: Forecast, seen: PriceTable) -> tuple[Calibrator, Forecast]:
    """What is known after this forecast, and it calibrated by what was known before, by the gain 0.18 alone."""
    with answering(0.18):
        known = known.settle(seen)
        return known.record(forecast), applied(known, forecast)


def applied(calibrator: Calibrator, forecast: Forecast) -> Forecast:
    """As forecasts that ship are: not before enough is known."""
    return calibrator.apply(forecast) if calibrator.origins >= LEAST_ORIGINS else forecast


def judged(item: ItemForecast, actual: np.ndarray, ends: np.ndarray) -> list[dict[str, Any]]:
    """A row a step."""
    moves = np.sort(item.log_returns()[:, _COLUMNS], axis=0)
    crps = crps_sorted(np.ascontiguousarray(moves.T), actual, noise=1.0 if item.noise is None else item.noise[_COLUMNS])
    bands = np.quantile(moves, _ENDS, axis=0, method="weibull").T.reshape(len(STEPS), len(BANDS), 2)
    held = inside(bands[..., 0], bands[..., 1], actual[:, None])
    return [
        {
            "step": step,
            "timestamp": ends[place],
            "crps": crps[place],
            **dict(zip(BANDS, held[place].astype(float), strict=True)),
        }
        for place, step in enumerate(STEPS)
    ]


def summary(scores: pd.DataFrame) -> list[dict[str, Any]]:
    """By step and variant: loss against GARCH, its statistic, the worst item's, coverage, how far years stray."""
    found = []
    for step in STEPS:
        table = scores[scores["step"] == step]
        crps = table.pivot(index=["item", "cutoff"], columns="variant", values="crps")
        losses = crps.div(crps["GARCH"].groupby("item").mean(), axis=0, level="item")
        origins, overlap = losses.index.get_level_values("cutoff").to_numpy(), overlap_of(table)
        for variant in VARIANTS:
            more = losses[variant] - losses["GARCH"]
            test = diebold_mariano(by_date(more.to_numpy(), origins), overlap=overlap)
            newer = {}
            if "before" in losses:
                gained = losses[variant] - losses["before"]
                tested = diebold_mariano(by_date(gained.to_numpy(), origins), overlap=overlap)
                newer = {"gained": float(gained.mean()), "gained_statistic": float(tested.dm)}
            mine = table[table["variant"] == variant]
            stray = mine.groupby(mine["cutoff"].dt.year)[list(BANDS)].mean().to_numpy() - BANDS
            found.append(
                {
                    "step": step,
                    "variant": variant,
                    "loss": float(more.mean()),
                    "statistic": float(test.dm),
                    **newer,
                    "worst": float(more.groupby("item").mean().max()),
                    "items": int(losses.index.get_level_values("item").nunique()),
                    "origins": len(np.unique(origins)),
                    "held": {str(level): float(mine[level].mean()) for level in BANDS},
                    "stray": float(np.sqrt(np.square(stray).mean())),
                    "farthest": float(np.abs(stray).max()),
                }
            )
    return found


def show(kind: str, rows: list[dict[str, Any]]) -> None:
    """The class's rows as lines of a table in Markdown."""
    for step in STEPS:
        mine = [row for row in rows if row["class"] == kind and row["step"] == step]
        cells = {
            "loss (statistic)": [f"{100 * row['loss']:+.2f}% ({row['statistic']:+.1f})" for row in mine],
            "worst item": [f"{100 * row['worst']:+.2f}%" for row in mine],
            "held": ["/".join(f"{100 * share:.1f}" for share in row["held"].values()) for row in mine],
            "strays": [f"{100 * row['stray']:.1f}, {100 * row['farthest']:.1f}" for row in mine],
        }
        if "gained" in mine[0]:
            cells["against before"] = [f"{100 * row['gained']:+.2f}% ({row['gained_statistic']:+.1f})" for row in mine]
        for what, values in cells.items():
            print(f"| {kind} | {step} | {what} | {' | '.join(values)} |", flush=True)


if __name__ == "__main__":
    main()
