"""The verdict a forecast carries: a short walk-forward over recent origins, fitted once before the first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

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
    it has not seen. Of a table it looks at the first few items that still trade and have rows enough. With too
    little history the verdict says that it cannot tell.
    """
    model, steps = Forecaster(config), min(horizon, STEPS)
    needed = rows_needed(config) + 2 * steps
    last = max(one.timestamps[-1] for one in prices)
    judged = [one for one in prices if one.timestamps[-1] == last and len(one) >= needed][:ITEMS]
    if not judged:
        longest = max(len(one) for one in prices if one.timestamps[-1] == last)
        return cannot_tell(
            model.name,
            f"{needed} rows are needed to train a network and judge it on days it has not seen; there are {longest}",
        )
    origins = min(ORIGINS, (min(map(len, judged)) - rows_needed(config)) // steps)
    try:
        report = backtest(
            [model, RandomWalk(), Garch()],
            prices.select(tuple(one.item_id for one in judged)),
            horizon=steps,
            every=steps,
            cutoffs=origins,
            refit=0,
            min_rows=rows_needed(config),
            paths=PATHS,
            seed=seed,
            progress=progress,
        )
    except TooFewRows as error:
        return cannot_tell(model.name, str(error))
    if len(judged) == len(prices):
        return report.verdict
    names = ", ".join(one.item_id for one in judged)
    text = f"{report.verdict.text} It was judged on {len(judged)} of the {len(prices)} items: {names}."
    return replace(report.verdict, text=text)
