"""From quantiles or points, as other models give them, to a Forecast: checked, and made paths."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from jaxtyping import Float
from scipy.special import ndtri

from gatecast.calendars import future_timestamps
from gatecast.errors import ForeignError
from gatecast.forecast import Forecast, ItemForecast, item_rng
from gatecast.notes import Note
from gatecast.prices import PriceSeries, PriceTable
from gatecast.text import listed, shown

POINT = 0.5  # a point forecast is taken as the median
_NAME = re.compile(r"q?(0?\.\d+)|q(\d{2,})")


def level_of(name: object) -> float | None:
    """The level of a quantile by its key or column: 0.05, "0.05", "q05", "q0.05"; None where it names none.

    >>> level_of(0.05), level_of("q025"), level_of("q0.9"), level_of("close"), level_of(5)
    (0.05, 0.025, 0.9, None, None)
    """
    if isinstance(name, str):
        found = _NAME.fullmatch(name.strip().lower())
        if not found:
            return None
        name = float(found[1] or f"0.{found[2]}")
    if isinstance(name, float | np.floating) and 0 < name < 1:
        return float(name)
    return None


def check_quantiles(
    levels: Float[np.ndarray, " levels"], values: Float[np.ndarray, "levels steps"], where: str, *, step: int = 1
) -> None:
    """Refuse values that are no quantiles of a price; `levels` ascend, `step` is that of the first column.

    Raises `ForeignError` that says `where`.
    """
    if not len(levels) or (len(levels) == 1 and levels[0] != POINT):
        given = listed([f"{level:g}" for level in levels]) or "none"
        raise ForeignError(f"{where}: quantiles are two or more, or the median; got {given}. Give 0.1 and 0.9.")
    for wrong, rule in ((~np.isfinite(values), "finite"), (values <= 0, "positive")):
        if wrong.any():
            level, place = np.argwhere(wrong)[0]
            raise ForeignError(
                f"{where}: prices are finite and positive; the {levels[level]:g} quantile is {values[level, place]:g}, "
                f"not {rule}, at step {place + step}. Correct it."
            )
    falls = values[1:] < values[:-1] * (1 - 1e-9)  # not by rounding alone
    if falls.any():
        level, place = np.argwhere(falls)[0]
        raise ForeignError(
            f"{where}: quantiles must not cross; at step {place + step} that of {levels[level + 1]:g} is "
            f"{values[level + 1, place]:g}, below {values[level, place]:g} of {levels[level]:g}. Sort them."
        )


def ordered_prices(
    levels: Float[np.ndarray, " levels"], values: Float[np.ndarray, "levels horizon"], paths: int
) -> Float[np.ndarray, "paths horizon"]:
    """Prices in ascending order whose quantiles at each step are those given; of a median alone, all the same.

    The quantile function of the log price is linear in the normal score between the levels, and goes on with the
    slope of the outermost pair beyond them: tails are those of a log-normal price. It is inverted at the midpoints
    of `paths` equal parts, so that no luck is in a step's quantiles.
    """
    if len(levels) == 1:
        return np.repeat(values, paths, axis=0)
    logs, scores = np.log(values), ndtri(levels)
    places = ndtri((np.arange(paths) + 0.5) / paths)
    left = np.clip(np.searchsorted(scores, places) - 1, 0, len(levels) - 2)  # the pair, or the outermost one
    share = ((places - scores[left]) / (scores[left + 1] - scores[left]))[:, None]
    return np.asarray(np.exp(logs[left] * (1 - share) + logs[left + 1] * share))


def price_paths(
    levels: Float[np.ndarray, " levels"],
    values: Float[np.ndarray, "levels horizon"],
    paths: int,
    rng: np.random.Generator,
) -> Float[np.ndarray, "paths horizon"]:
    """Price paths through `ordered_prices` in the order of a Gaussian random walk's paths at each step.

    Quantiles say nothing of how steps depend, and prices depend so (the Schaake shuffle, Clark et al. 2004).
    """
    ordered = ordered_prices(levels, values, paths)
    ranks = rng.standard_normal(ordered.shape).cumsum(axis=1).argsort(axis=0).argsort(axis=0)
    return np.asarray(np.take_along_axis(ordered, ranks, axis=0))


def forecast_from(
    prices: PriceTable, horizon: int, answers: object, *, paths: int, seed: int, notes: tuple[Note, ...] = ()
) -> Forecast:
    """The Forecast of answers by item: {item_id: {level: (horizon,) prices}}, or a point forecast of (horizon,).

    Raises `ForeignError` with one line where items, steps or values are wrong.
    """
    if not isinstance(answers, Mapping):
        raise ForeignError(f"a model answers {{item: quantiles}}; got {type(answers).__name__}. Return a dict.")
    check_items(prices, [str(item_id) for item_id in answers])
    items = tuple(
        _item(series, horizon, answers[series.item_id], prices.calendar, paths, seed, notes) for series in prices
    )
    return Forecast(items=items, seed=seed)


def check_items(prices: PriceTable, given: list[str]) -> None:
    """Refuse forecasts of other items than those of the prices."""
    if sorted(given) != sorted(prices.item_ids):
        missing = [item_id for item_id in prices.item_ids if item_id not in given]
        what = f"{listed(missing)} missing" if missing else f"got {listed(given)}"
        raise ForeignError(f"a model forecasts every item, each once, and no other; {what}. Correct its predict.")


def _item(
    series: PriceSeries,
    horizon: int,
    answer: object,
    calendar: str | None,
    paths: int,
    seed: int,
    notes: tuple[Note, ...],
) -> ItemForecast:
    where = f"forecast of {shown(series.item_id)}"
    levels, values = _arrays(answer, horizon, where)
    check_quantiles(levels, values, where)
    simulated = price_paths(levels, values, paths, item_rng(series.item_id, seed))
    if len(levels) == 1:
        text = "it gives a point and no bands: only the error of its median can be judged"
        notes = (*notes, Note("model", text))
    future = future_timestamps(series, horizon, calendar)
    item = ItemForecast.of(series, future, np.log(simulated / series.close[-1]), None, notes)
    return replace(item, noise=np.zeros(horizon))  # evenly spaced quantiles have no sampling error


def _arrays(answer: object, horizon: int, where: str) -> tuple[np.ndarray, np.ndarray]:
    """The levels, ascending, and (levels, horizon) values of an answer; a point is the median."""
    columns = dict(answer) if isinstance(answer, Mapping) else {POINT: answer}
    keys = {level_of(key): key for key in columns}
    if None in keys or len(keys) < len(columns):
        culprit = keys.get(None, next(reversed(columns), None))
        raise ForeignError(
            f"{where}: keys are levels between 0 and 1, each once; got {culprit!r}. Give for example 0.05."
        )
    levels = np.array(sorted(level for level in keys if level is not None), dtype=np.float64)
    rows = []
    for level in levels:
        try:
            row = np.asarray(columns[keys[level]], dtype=np.float64)
        except (TypeError, ValueError):
            row = np.empty((0, 0))
        if row.shape != (horizon,):
            got = f"an array of shape {row.shape}" if row.ndim != 2 or row.size else "other values"
            raise ForeignError(
                f"{where}: each quantile has {horizon} prices, one a step; got {got}. Correct its length."
            )
        rows.append(row)
    return levels, np.array(rows).reshape(len(levels), horizon)
