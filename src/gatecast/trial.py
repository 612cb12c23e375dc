"""The verdict a forecast carries: a short walk-forward over recent origins, fitted once before the first."""

from __future__ import annotations

from collections.abc import Callable

from gatecast.baselines import Garch, RandomWalk
from gatecast.config import Config
from gatecast.errors import TooFewRows
from gatecast.forecaster import Forecaster
from gatecast.prices import PriceTable
from gatecast.verdict import Verdict, cannot_tell
from gatecast.walkforward import backtest
from gatecast.windows import rows_needed

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
    progress: Callable[[int, int, str], None] | None = None,
) -> Verdict:
    """How a network with these settings would have done of late, against the random walk and GARCH.

    It is trained anew on the rows before the first of the recent origins, so that every day it is judged on is one
    it has not seen. With too little history the verdict says that it cannot tell.
    """
    model, steps = Forecaster(config), min(horizon, STEPS)
    some = prices.select(prices.item_ids[:ITEMS])
    shortest = min(len(one) for one in some)
    origins = min(ORIGINS, (shortest - rows_needed(config)) // steps)
    if origins < 2:
        needed = rows_needed(config) + 2 * steps
        return cannot_tell(
            model.name,
            f"{needed} rows are needed to train a network and judge it on days it has not seen; the shortest history "
            f"has {shortest}",
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
            min_rows=rows_needed(config),
            paths=PATHS,
            seed=seed,
            progress=progress,
        )
    except TooFewRows as error:
        return cannot_tell(model.name, str(error))
    return report.verdict
