"""The verdict a forecast carries: a short walk-forward over recent origins, fitted once before the first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from gatecast.calibration.online import Remembering
from gatecast.config import Config
from gatecast.errors import TooFewRows
from gatecast.features.cross_section import LEAST_ITEMS
from gatecast.features.windows import rows_needed
from gatecast.judge.verdict import Verdict, cannot_tell
from gatecast.judge.walkforward import backtest
from gatecast.models.base import new_forecaster
from gatecast.models.baselines import Har, RandomWalk
from gatecast.models.ensemble import MIN_ROWS, load_base, suited
from gatecast.prices import PriceSeries, PriceTable

ORIGINS = 40  # recent ones; enough for a t-test, few enough for seconds
STEPS = 5  # ahead at most: skill, where there is any, is found in the first days
ITEMS = 4  # of a table at most; more cost time and, moving together, tell little more
PATHS = 200  # of each forecast; the fair CRPS does not depend on their number


def recent_verdict(
    config: Config,
    prices: PriceTable,
    *,
    horizon: int,
    seed: int = 0,
    saved: Path | None = None,
    walked: Remembering | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> Verdict:
    """How a network with these settings would have done of late, against the random walk and HAR.

    It is trained anew on the rows before the first of the recent origins, so that every day it is judged on is one
    it has not seen; the base network is judged on days after the last it learned from. Of a table it looks at the
    first few items that still trade and have rows enough for all origins, or where none has, for some. `saved`: the
    folder of a base network, adapted or not, that is judged as it is. `walked`: where these settings start from the
    base, its past forecasts that were made already.
    """
    # HAR stands for the models of volatility: GARCH is no stronger a rival, and takes as long to import as all this.
    steps = min(horizon, STEPS)
    last = max(one.timestamps[-1] for one in prices)
    live = [one for one in prices if one.timestamps[-1] == last]
    folder = saved or suited(prices)  # by all rows, as the forecast chose: fewer might find an older network
    until = load_base(folder).until
    if saved or (config.start == "adapt" and last <= until):
        config = config.replace(start="base") if saved else config.replace(start="scratch", market=True)
    model, first = new_forecaster(config, steps=steps, folder=folder, walked=walked), _least(config)
    fresh = {one.item_id: _fresh(config, one, until) for one in live}
    judged = [one for one in live if fresh[one.item_id] >= 2 * steps]
    # A short one would leave few origins to all.
    judged = ([one for one in judged if fresh[one.item_id] >= ORIGINS * steps] or judged)[:ITEMS]
    if not judged:
        most = max(live, key=lambda one: fresh[one.item_id])
        needed = f"{first + 2 * steps} rows are needed, {2 * steps} of them new to the network"
        there = f"there are {len(most)}, {_new(config, most, until)} of them new"
        return cannot_tell(model.name, f"{needed}, to judge it on days it has not seen; {there}")
    origins = min(ORIGINS, min(fresh[one.item_id] for one in judged) // steps)
    try:
        report = backtest(
            [model, RandomWalk(), Har()],
            prices.select(tuple(one.item_id for one in judged)),
            horizon=steps,
            every=steps,
            cutoffs=origins,
            refit=0,
            min_rows=first,
            paths=PATHS,
            seed=seed,
            progress=progress,
        )
    except TooFewRows as error:
        return cannot_tell(model.name, str(error))
    limits = [f"Steps beyond {steps} were not judged."] if horizon > steps else []
    if len(judged) < len(prices):
        names = ", ".join(one.item_id for one in judged)
        alone = ", without the market that all of them make" if _has_market(config, prices) else ""
        limits.append(f"It was judged on {len(judged)} of the {len(prices)} items{alone}: {names}.")
    return replace(report.verdict, text=" ".join([report.verdict.text, *limits]))


def _has_market(config: Config, prices: PriceTable) -> bool:
    return config.start != "scratch" and config.market and len(prices) >= LEAST_ITEMS


def _least(config: Config) -> int:
    """The rows before the first origin."""
    return rows_needed(config) if config.start == "scratch" else MIN_ROWS


def _fresh(config: Config, series: PriceSeries, until: np.datetime64) -> int:
    """The last rows of a series that may judge: enough lie before them, and the base, to `until`, knows them not."""
    fresh = len(series) - _least(config)
    return fresh if config.start == "scratch" else min(fresh, _new(config, series, until) - 1)


def _new(config: Config, series: PriceSeries, until: np.datetime64) -> int:
    """The rows that the network has not learned from before its fit."""
    return len(series) if config.start == "scratch" else int((series.timestamps > until).sum())
