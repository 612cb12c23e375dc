"""From a network's paths to a Forecast: starts with their random streams and timestamps, log returns as prices."""

from __future__ import annotations

from collections.abc import Callable

from gatecast.calendars import future_timestamps
from gatecast.forecast import Forecast, ItemForecast, item_rng
from gatecast.model import Request
from gatecast.nn.sampling.sampler import PathModel, Start
from gatecast.notes import Note
from gatecast.prices import PriceSeries, PriceTable

MEASURED = 250  # steps ahead; bands were measured up to there (docs/bands.md)
Check = Callable[[PriceSeries], tuple[Note, ...]]  # refuses a series that cannot be forecast, or notes something of it


def forecasts_of(
    model: PathModel, prices: PriceTable, request: Request, *, check: Check, together: bool = True
) -> list[Forecast]:
    """Raw forecasts from each cutoff, in one batch; without `together` each item is read by itself.

    Each item draws from a random stream of its own (seed and item id), so that its draws do not depend on the items
    beside it.
    """
    tables = [prices.until(cutoff) for cutoff in request.cutoffs]
    notes = [[check(series) for series in table] for table in tables]
    starts = [
        [
            Start(
                series=series,
                future=future_timestamps(series, request.horizon, table.calendar),
                rng=item_rng(series.item_id, seed),
            )
            for series in table
        ]
        for table, seed in zip(tables, request.seeds, strict=True)
    ]
    far = _far(request.horizon)
    groups = starts if together else [[start] for group in starts for start in group]
    simulated = iter(model.simulate(groups, request.paths))
    forecasts = []
    for table, seed, group, noted in zip(tables, request.seeds, starts, notes, strict=True):
        items = []
        for start, more in zip(group, noted, strict=True):
            drawn, known = next(simulated), (*table.notes, *start.series.notes, *more, *far)
            items.append(ItemForecast.of(start.series, start.future, drawn.log_returns, drawn.density, known))
        forecasts.append(Forecast(items=tuple(items), seed=seed))
    return forecasts


def _far(horizon: int) -> tuple[Note, ...]:
    if horizon <= MEASURED:
        return ()
    return (Note("model", f"how well bands hold was measured up to {MEASURED} steps ahead; beyond, nobody knows"),)
