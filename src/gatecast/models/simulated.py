"""From a network's paths to a Forecast: starts with their random streams and timestamps, log returns as prices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from gatecast.calendars import future_timestamps
from gatecast.calibration.dependence import Dependence, Outcomes
from gatecast.features.extremes import CloseInRange
from gatecast.forecast import Forecast, ItemForecast, item_rng
from gatecast.model import Request
from gatecast.nn.parallel import side_by_side
from gatecast.nn.sampling.sampler import PathModel, Simulated, Start
from gatecast.notes import Note
from gatecast.prices import PriceSeries, PriceTable

MEASURED = 250  # steps ahead; bands were measured up to there (docs/bands.md)
_EXTREMES = "highs and lows"  # no item's own stream
Check = Callable[[PriceSeries], tuple[Note, ...]]  # refuses a series that cannot be forecast, or notes something of it


def forecasts_of(
    model: PathModel,
    prices: PriceTable,
    request: Request,
    *,
    check: Check,
    together: bool = True,
    places: Mapping[tuple[str, int], Float[np.ndarray, "horizon paths"]] | None = None,
) -> list[Forecast]:
    """Raw forecasts from each cutoff, in one batch; without `together` each item is read by itself.

    `places` of an item and the number of a cutoff are those of its shocks (`places_of`). Without them each item draws
    from a random stream of its own (seed and item id), so that its draws do not depend on the items beside it.
    """
    tables = [prices.until(cutoff) for cutoff in request.cutoffs]
    notes = [[check(series) for series in table] for table in tables]
    placed = places or {}
    starts = [
        [
            Start(
                series=series,
                future=future_timestamps(series, request.horizon, table.calendar),
                rng=item_rng(series.item_id, seed),
                places=placed.get((series.item_id, number)),
            )
            for series in table
        ]
        for number, (table, seed) in enumerate(zip(tables, request.seeds, strict=True))
    ]
    far = _far(request.horizon)
    groups = starts if together else [[start] for group in starts for start in group]
    simulated = iter(model.simulate(groups, request.paths))
    forecasts = []
    for table, seed, group, noted in zip(tables, request.seeds, starts, notes, strict=True):
        items = []
        for start, more in zip(group, noted, strict=True):
            drawn, known = next(simulated), (*table.notes, *start.series.notes, *more, *far)
            item = ItemForecast.of(start.series, start.future, drawn.log_returns, drawn.density, known)
            items.append(_with_extremes(item, start.series, drawn, seed) if request.extremes else item)
        forecasts.append(Forecast(items=tuple(items), seed=seed, joint=bool(placed) and len(items) > 1))
    return forecasts


def places_of(prices: PriceTable, request: Request) -> dict[tuple[str, int], Float[np.ndarray, "horizon paths"]]:
    """The places of all shocks of joint paths, by item and number of the cutoff; none for a table of one item."""
    if len(prices) == 1:
        return {}
    outcomes = dict(zip(prices.item_ids, Outcomes.of_table(prices.series), strict=True))

    def at(number: int) -> dict[tuple[str, int], np.ndarray]:
        cutoff = request.cutoffs[number]
        table = prices.until(cutoff)
        if len(table) == 1:
            return {}
        futures = [future_timestamps(series, request.horizon, table.calendar) for series in table]
        learned = Dependence.learn([outcomes[item_id].until(cutoff) for item_id in table.item_ids])
        drawn = learned.places(futures, request.paths, request.seeds[number])
        return {(item_id, number): of for item_id, of in zip(table.item_ids, drawn, strict=True)}

    found: dict[tuple[str, int], np.ndarray] = {}
    for places in side_by_side(at, range(len(request.cutoffs))):
        found |= places
    return found


def _with_extremes(item: ItemForecast, series: PriceSeries, drawn: Simulated, seed: int) -> ItemForecast:
    """The forecast with the highs and lows of its days, where the network simulates ranges."""
    shape = None if drawn.day_range is None else CloseInRange.of(series)
    if shape is None or drawn.day_range is None:
        return item
    moves = np.diff(drawn.log_returns, prepend=0.0, axis=1)
    above, below = shape.extremes(moves, drawn.day_range, item_rng(f"{_EXTREMES}: {item.item_id}", seed))
    return replace(item, highs=item.paths * np.exp(above), lows=item.paths * np.exp(-below))


def _far(horizon: int) -> tuple[Note, ...]:
    if horizon <= MEASURED:
        return ()
    return (Note("model", f"how well bands hold was measured up to {MEASURED} steps ahead; beyond, nobody knows"),)
