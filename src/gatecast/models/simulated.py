"""From a network's paths to a Forecast: starts with their random streams and timestamps, log returns as prices."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from gatecast.calendars import future_timestamps
from gatecast.forecast import Forecast, ItemForecast, item_rng, price_paths
from gatecast.nn.sampling.sampler import PathModel, Simulated, Start
from gatecast.notes import Note
from gatecast.prices import PriceSeries, PriceTable

Check = Callable[[PriceSeries], tuple[Note, ...]]  # refuses a series that cannot be forecast, or notes something of it


def forecasts_of(
    model: PathModel,
    prices: PriceTable,
    cutoffs: Sequence[np.datetime64],
    horizon: int,
    *,
    paths: int,
    seeds: Sequence[int],
    check: Check,
    together: bool = True,
) -> list[Forecast]:
    """Raw forecasts from each cutoff, in one batch; without `together` each item is read by itself.

    Each item draws from a random stream of its own (seed and item id), so that its draws do not depend on the items
    beside it.
    """
    tables = [prices.until(cutoff) for cutoff in cutoffs]
    notes = [[check(series) for series in table] for table in tables]
    starts = [
        [_start(series, table, horizon, seed) for series in table] for table, seed in zip(tables, seeds, strict=True)
    ]
    groups = starts if together else [[start] for group in starts for start in group]
    simulated = iter(model.simulate(groups, paths))
    return [
        Forecast(
            items=tuple(
                _item(start, next(simulated), (*table.notes, *start.series.notes, *more))
                for start, more in zip(group, noted, strict=True)
            ),
            seed=seed,
        )
        for table, seed, group, noted in zip(tables, seeds, starts, notes, strict=True)
    ]


def _start(series: PriceSeries, prices: PriceTable, horizon: int, seed: int) -> Start:
    return Start(
        series=series, future=future_timestamps(series, horizon, prices.calendar), rng=item_rng(series.item_id, seed)
    )


def _item(start: Start, simulated: Simulated, notes: tuple[Note, ...]) -> ItemForecast:
    last_close = float(start.series.close[-1])
    return ItemForecast(
        item_id=start.series.item_id,
        last_timestamp=start.series.timestamps[-1],
        last_close=last_close,
        timestamps=start.future,
        paths=price_paths(last_close, simulated.log_returns),
        density=simulated.density,
        notes=notes,
    )
