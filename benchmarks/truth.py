"""Is the verdict right where the truth is planted? The table of claims on simulated series.

Worlds of daily log returns, 200 series each: an AR(1) with phi 0.3; a volatility that changes between a calm and a
wild regime; random walks with fat tails, one step ahead; and the same five steps ahead from every day. In the
first two a model that knows the truth is judged, and the verdict should say skill (in the median; in the bands) in
at least 90% of cases. On the random walks plausible rivals are judged, and skill of either kind should be claimed
in at most 6%.

Measured with 200 series each: ar1 98.5% skill in the median; regimes 100% in the bands; random walks 2.5%
(chartist), 2.0% (drift) and 3.5% (twin) of either kind; with overlap 5.0% (drift) and 2.5% (twin). About ten
minutes on two cores.

    python benchmarks/truth.py [--series 200] [--worlds ar1,regimes,random_walk,overlap] [--jobs 2]
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from gatecast.forecast import Forecast, ItemForecast
from gatecast.judge.walkforward import backtest
from gatecast.model import Model
from gatecast.models.baselines import Drift, RandomWalk
from gatecast.prices import PriceSeries, PriceTable

HISTORY = 300  # rows before the first origin; every model is fitted once, on these
PATHS = 400
PHI, SIGMA = 0.3, 0.01
CALM, WILD, STAY = 0.006, 0.018, 0.98  # daily volatilities, and the chance that tomorrow's regime is today's


@dataclass
class Bell:
    """One step ahead, mirrored draws from a mixture of normals: the base of the models below."""

    name: str

    def fit(self, prices: PriceTable) -> Self:
        """Nothing to learn."""
        return self

    def law(self, series: PriceSeries) -> tuple[float, tuple[float, float], float]:
        """Mean of the next log return, two volatilities, and the chance of the second."""
        raise NotImplementedError

    def predict(self, prices: PriceTable, horizon: int, *, paths: int = 1000, seed: int = 0) -> Forecast:
        """Draw from the law of the next log return."""
        series = prices.series[0]
        mean, sigmas, share = self.law(series)
        rng = np.random.default_rng(seed)
        half = paths // 2
        draws = rng.standard_normal(half) * np.where(rng.uniform(size=half) < share, sigmas[1], sigmas[0])
        returns = mean + np.concatenate([draws, -draws])[:, None]
        item = ItemForecast(
            item_id=series.item_id,
            last_timestamp=series.timestamps[-1],
            last_close=float(series.close[-1]),
            timestamps=series.timestamps[-1:] + np.timedelta64(1, "D"),
            paths=series.close[-1] * np.exp(returns),
        )
        return Forecast(items=(item,), seed=seed)


@dataclass
class KnowsAr1(Bell):
    """Knows phi and sigma."""

    name: str = "knows_ar1"

    def law(self, series: PriceSeries) -> tuple[float, tuple[float, float], float]:
        """About phi times today's return."""
        last = float(np.log(series.close[-1] / series.close[-2]))
        return PHI * last, (SIGMA, SIGMA), 0.0


@dataclass
class KnowsRegimes(Bell):
    """Knows the regime of each past day, the two volatilities and the chance of a change."""

    wild: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=bool))  # by return, oldest first
    name: str = "knows_regimes"

    def law(self, series: PriceSeries) -> tuple[float, tuple[float, float], float]:
        """About zero, as wild as the regime of today makes likely."""
        today = bool(self.wild[len(series) - 2])
        return 0.0, (CALM, WILD), STAY if today else 1 - STAY


@dataclass
class Chartist(Bell):
    """Sees momentum in a random walk: an AR(1) by least squares, bands of the last month's volatility."""

    name: str = "chartist"

    def fit(self, prices: PriceTable) -> Self:
        """Learn phi."""
        returns = np.diff(np.log(prices.series[0].close))
        self.phi_ = float(returns[1:] @ returns[:-1] / (returns[:-1] @ returns[:-1]))
        return self

    def law(self, series: PriceSeries) -> tuple[float, tuple[float, float], float]:
        """About its phi times today's return, as wide as the last 21."""
        recent = np.diff(np.log(series.close[-22:]))
        sigma = max(float(np.sqrt(np.mean(recent**2))), 1e-6)
        return self.phi_ * float(recent[-1]), (sigma, sigma), 0.0


@dataclass(kw_only=True, eq=False)
class Twin(RandomWalk):
    """The random walk itself with other draws: equal in truth, so that any claim is false."""

    name = "twin"  # type: ignore[misc]

    def predict(self, prices: PriceTable, horizon: int, *, paths: int = 1000, seed: int = 0) -> Forecast:
        """The random walk's, with the next seed."""
        return super().predict(prices, horizon, paths=paths, seed=seed + 1)


def prices_of(returns: np.ndarray) -> PriceTable:
    days = pd.date_range("2000-01-01", periods=len(returns) + 1)
    return PriceTable.from_close({"X": (100 * np.exp(np.r_[0, returns].cumsum()), days)})


def ar1(rng: np.random.Generator, rows: int) -> tuple[PriceTable, list[Model]]:
    returns = np.zeros(rows)
    for day, shock in enumerate(rng.normal(0, SIGMA, rows)):
        returns[day] = shock + (PHI * returns[day - 1] if day else 0)
    return prices_of(returns), [KnowsAr1()]


def regimes(rng: np.random.Generator, rows: int) -> tuple[PriceTable, list[Model]]:
    wild = (rng.uniform(size=rows) > STAY).cumsum() % 2 == 1
    returns = rng.standard_normal(rows) * np.where(wild, WILD, CALM)
    return prices_of(returns), [KnowsRegimes(wild=wild)]


def random_walks(rng: np.random.Generator, rows: int) -> tuple[PriceTable, list[Model]]:
    returns = SIGMA * rng.standard_t(4, rows) / np.sqrt(2)
    return prices_of(returns), [Chartist(), Drift(), Twin()]


def walks_with_overlap(rng: np.random.Generator, rows: int) -> tuple[PriceTable, list[Model]]:
    prices, (_, *others) = random_walks(rng, rows)  # the chartist sees one step ahead
    return prices, others


WORLDS: dict[str, Callable[[np.random.Generator, int], tuple[PriceTable, list[Model]]]] = {
    "ar1": ar1,
    "regimes": regimes,
    "random_walk": random_walks,
    "overlap": walks_with_overlap,
}
HORIZON = {"ar1": 1, "regimes": 1, "random_walk": 1, "overlap": 5}


# One row apart: four years of days show phi 0.3 in absolute errors, two the regimes; luck needs but one. Those of
# "overlap" are few, as good as twelve that share no days: there a test is the easiest to fool.
ORIGINS = {"ar1": 1000, "regimes": 500, "random_walk": 250, "overlap": 60}


CLAIMS = ("median skill", "bands skill", "either", "worse")


def claims(world: str, number: int, origins: int) -> list[tuple[str, str, str]]:
    """(model, the median's word, the bands' word) on one simulated series."""
    rng = np.random.default_rng([number, list(WORLDS).index(world)])
    horizon = HORIZON[world]
    prices, models = WORLDS[world](rng, HISTORY + origins + horizon - 2)
    found = []
    for model in models:
        report = backtest(
            [model, RandomWalk()],
            prices,
            horizon=horizon,
            cutoffs=origins,
            every=1,
            refit=0,
            min_rows=HISTORY - 1,
            paths=PATHS,
            seed=number,
        )
        found.append((model.name, report.verdict.median, report.verdict.bands))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Claims of the verdict where the truth is known.")
    parser.add_argument("--series", type=int, default=200)
    parser.add_argument("--worlds", default=",".join(WORLDS))
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    begun = time.perf_counter()
    print(f"{options.series} series a world, origins a day apart, {PATHS} paths; share of series with each claim")
    print(f"{'world':<12} {'origins':>7} {'steps':>5}  {'model':<14}" + "".join(f"{claim:>13}" for claim in CLAIMS))
    for world in options.worlds.split(","):
        answers = Parallel(n_jobs=options.jobs)(
            delayed(claims)(world, number, ORIGINS[world]) for number in range(options.series)
        )
        counts: dict[str, Counter[str]] = {}
        for model, median, bands in (claim for answer in answers for claim in answer):
            made = {
                "median skill": median == "skill",
                "bands skill": bands == "skill",
                "either": "skill" in (median, bands),
                "worse": "worse" in (median, bands),
            }
            counts.setdefault(model, Counter()).update(claim for claim in CLAIMS if made[claim])
        for model, count in counts.items():
            shares = "".join(f"{count[claim] / options.series:>13.1%}" for claim in CLAIMS)
            print(f"{world:<12} {ORIGINS[world]:>7} {HORIZON[world]:>5}  {model:<14}{shares}", flush=True)
    print(f"{time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()
