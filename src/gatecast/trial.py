"""The verdict a forecast carries: a short walk-forward over recent origins, fitted once before the first."""

from __future__ import annotations

from collections.abc import Callable

from gatecast.base import MIN_ROWS, load_base, new_forecaster
from gatecast.baselines import Garch, RandomWalk
from gatecast.config import Config
from gatecast.errors import TooFewRows
from gatecast.prices import PriceSeries, PriceTable
from gatecast.verdict import Verdict, cannot_tell
from gatecast.walkforward import backtest
from gatecast.windows import rows_needed

ORIGINS = 40  # recent ones; enough for a t-test, few enough for seconds
STEPS = 5  # ahead at most: skill, where there is any, is found in the first days
ITEMS = 8  # of a table at most; more cost time and, moving together, tell little more
PATHS = 400  # of each forecast; the fair CRPS does not depend on their number


def recent_verdict(
    config: Config,
    prices: PriceTable,
    *,
    horizon: int,
    seed: int = 0,
    progress: Callable[[int, int, str], None] | None = None,
) -> Verdict:
    """How a network with these settings would have done of late, against the random walk and GARCH.

    It is trained anew on the rows before the first of the recent origins, so that every day it is judged on is one
    it has not seen; the base network is judged on days after the last it learned from. With too little history the
    verdict says that it cannot tell.
    """
    some = prices.select(prices.item_ids[:ITEMS])
    config = _start_of(config, some)
    model, steps = new_forecaster(config), min(horizon, STEPS)
    first, fresh = _least(config), min(_fresh(config, one) for one in some)
    origins = min(ORIGINS, fresh // steps)
    if origins < 2:
        return cannot_tell(
            model.name,
            f"{first + 2 * steps} rows are needed, {2 * steps} of them new to the network, to judge it on days it has "
            f"not seen; the shortest history has {min(map(len, some))}, {max(fresh, 0)} of them new",
        )
    start = min(one.timestamps[-origins * steps - 1] for one in some)
    try:
        report = backtest(
            [model, RandomWalk(), Garch()],
            some,
            horizon=steps,
            every=steps,
            start=start,
            refit=0,
            min_rows=first,
            paths=PATHS,
            seed=seed,
            progress=progress,
        )
    except TooFewRows as error:
        return cannot_tell(model.name, str(error))
    return report.verdict


def _start_of(config: Config, prices: PriceTable) -> Config:
    """Where the base network has seen all these days, default trains one of their own: that is what is judged."""
    if config.start == "adapt" and max(one.timestamps[-1] for one in prices) <= load_base().until:
        return config.replace(start="scratch")
    return config


def _least(config: Config) -> int:
    """The rows before the first origin."""
    return rows_needed(config) if config.start == "scratch" else MIN_ROWS


def _fresh(config: Config, series: PriceSeries) -> int:
    """The last rows of a series that may judge: enough lie before them, and the base has not learned from them."""
    fresh = len(series) - _least(config)
    if config.start == "scratch":
        return fresh
    return min(fresh, int((series.timestamps > load_base().until).sum()) - 1)
