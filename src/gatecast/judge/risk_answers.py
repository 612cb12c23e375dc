"""What the paths of one fold say of risk, beside what happened: small values that are kept when the paths are gone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gatecast.features.contract import FLOOR
from gatecast.features.indicators import last_volatility
from gatecast.forecast import Forecast, ItemForecast, item_rng
from gatecast.judge.metrics import pit_sorted
from gatecast.judge.scores import Rows
from gatecast.judge.walk_chances import first_of_two_chance, touch_chance
from gatecast.prices import PriceSeries, PriceTable
from gatecast.risk.levels import first_touch
from gatecast.risk.tails import tail_risks

LEVELS = (0.01, 0.05)  # of value at risk
LOSS_STEPS = (1, 5, 20)  # ahead; those within the horizon
TOUCH_STEPS = (5, 20)
TOUCHED = (-3, -2, -1, 1, 2, 3)  # levels, in usual moves from the last close
STOPS = (1, 2)  # a stop so many usual moves below the last close, a target as many above
PORTFOLIO = "equal-weight portfolio"
COLUMNS: dict[str, Any] = {
    "item_id": object,  # PORTFOLIO where the question is of all items together
    "cutoff": "datetime64[ns]",
    "timestamp": "datetime64[ns]",  # of the last day of the question
    "question": object,  # "loss", "touch", "stop" or "portfolio"
    "step": np.int64,  # ahead, the last day of the question
    "at": np.float64,  # loss: the level; touch, stop: usual moves; portfolio: the number of items
    "value": np.float64,  # loss: value at risk as a return; touch, stop: the chance; portfolio: the PIT
    "shortfall": np.float64,  # loss: the mean return beyond the value at risk; else NaN
    "walk": np.float64,  # touch, stop: the chance of a random walk with the volatility at the cutoff; else NaN
    "observed": np.float64,  # loss, portfolio: the return that came; touch, stop: 1 where it happened
    "ranged": np.bool_,  # touch, stop: whether highs and lows count, simulated and observed
    "joint": np.bool_,  # portfolio: whether the paths of the items belong together
}


@dataclass(frozen=True, eq=False)
class _Case:
    """An item's forecast and the days that came, as a forecast with a single path; `seen` ends at the cutoff."""

    item: ItemForecast
    came: ItemForecast
    seen: PriceSeries


def risk_answers(forecast: Forecast, seen: PriceTable, prices: PriceTable, cutoff: np.datetime64, horizon: int) -> Rows:
    """The columns `COLUMNS` for a forecast made at `cutoff` from `seen`, held against `prices`; no `model`.

    Items that have fewer than `horizon` rows after the cutoff are left out. Value at risk and expected shortfall are
    of the simple return from the last close. A usual move within h steps is the volatility at the cutoff, the
    exponential average of squared log returns (RiskMetrics 1996), times sqrt(h): levels lie that far, in logs, from
    the last close. Highs and lows count for the touch of a level where both forecast and prices have them, else closes
    for both. Where a day touches stop and target, it is the stop's.
    """
    items = {item.item_id: item for item in forecast}
    cases = []
    point = all(np.ptp(item.paths, axis=0).max() == 0 for item in forecast)  # a price, of which nothing can be asked
    for series in () if point else seen:
        full = prices[series.item_id]
        after = int(np.searchsorted(full.timestamps, cutoff, side="right"))
        if after + horizon <= len(full):
            cases.append(_case(items[series.item_id], series, full.rows(after, after + horizon)))
    answers = [answer for case in cases for answer in (*_losses(case, horizon), *_touches(case, horizon))]
    answers += _portfolio(forecast, cases, horizon)
    empty = {"cutoff": cutoff, "shortfall": np.nan, "walk": np.nan, "ranged": False, "joint": False}
    filled = [empty | answer for answer in answers]
    return {name: np.array([answer[name] for answer in filled], dtype=kind) for name, kind in COLUMNS.items()}


def _case(item: ItemForecast, seen: PriceSeries, days: PriceSeries) -> _Case:
    ranged = item.highs is not None and item.lows is not None and days.has_range
    highs, lows = (days.high, days.low) if ranged else (None, None)
    came = replace(
        item,
        timestamps=days.timestamps,
        paths=days.close[None],
        density=None,
        highs=None if highs is None else highs[None],
        lows=None if lows is None else lows[None],
    )
    return _Case(item if ranged else replace(item, highs=None, lows=None), came, seen)


def _within(steps: tuple[int, ...], horizon: int) -> tuple[int, ...]:
    """The steps within the horizon; the horizon where all lie beyond it."""
    return tuple(step for step in steps if step <= horizon) or (horizon,)


def _losses(case: _Case, horizon: int) -> Iterator[dict[str, Any]]:
    """Value at risk and expected shortfall by step and level, as returns."""
    steps = np.array(_within(LOSS_STEPS, horizon))
    tails = tail_risks(case.item.paths[:, steps - 1] / case.item.last_close, LEVELS)
    for place, step in enumerate(steps.tolist()):
        came = case.came.paths[0, step - 1] / case.item.last_close - 1
        about = {"item_id": case.item.item_id, "question": "loss", "step": step, "observed": came}
        for tail in tails:
            lost = {"value": -tail.value_at_risk.value[place], "shortfall": -tail.expected_shortfall.value[place]}
            yield {**about, "timestamp": case.came.timestamps[step - 1], "at": tail.level, **lost}


def _touches(case: _Case, horizon: int) -> Iterator[dict[str, Any]]:
    """The chances to touch levels, and stops before targets; none where the price has not moved of late."""
    volatility = last_volatility(case.seen.close)
    if volatility < FLOOR:
        return
    ranged = case.item.highs is not None
    for step in _within(TOUCH_STEPS, horizon):
        usual = volatility * np.sqrt(step)
        first = {
            move: tuple(first_touch(of, case.item.last_close * np.exp(move * usual)) for of in (case.item, case.came))
            for move in TOUCHED
        }
        about = {"item_id": case.item.item_id, "timestamp": case.came.timestamps[step - 1], "step": step}
        about |= {"ranged": ranged}
        for move, days in first.items():
            walk = touch_chance(abs(move) * np.sqrt(step), step, ranged=ranged)
            chance, came = (float((day < step).mean()) for day in days)
            yield {**about, "question": "touch", "at": move, "value": chance, "walk": float(walk), "observed": came}
        for move in STOPS:
            walk = first_of_two_chance(move * np.sqrt(step), step, ranged=ranged)
            pairs = zip(first[-move], first[move], strict=True)
            chance, came = (float(((stop < step) & (stop <= target)).mean()) for stop, target in pairs)
            yield {**about, "question": "stop", "at": move, "value": chance, "walk": float(walk), "observed": came}


def _portfolio(forecast: Forecast, cases: list[_Case], horizon: int) -> Iterator[dict[str, Any]]:
    """Where the return of a portfolio, equal in value at the cutoff and held, fell among the simulated returns.

    Of the items that trade on the same days, the most. With joint paths, and with those of each item in an order of
    its own, which is what paths simulated independently would give.
    """
    days = Counter((case.item.last_timestamp, case.came.timestamps.tobytes()) for case in cases)
    if not days or max(days.values()) < 2:
        return
    same = days.most_common(1)[0][0]
    held = [case for case in cases if (case.item.last_timestamp, case.came.timestamps.tobytes()) == same]
    came = np.mean([case.came.paths[0] / case.item.last_close for case in held], axis=0)
    for joint in (True, False) if forecast.joint else (False,):
        value = np.zeros_like(held[0].item.paths)
        for case in held:
            paths = case.item.paths
            if not joint:
                paths = item_rng(f"{case.item.item_id} apart", forecast.seed).permutation(paths)
            value += paths / case.item.last_close / len(held)
        pit = pit_sorted(np.sort(value.T, axis=1), came)
        for step in _within(LOSS_STEPS, horizon):
            about = {"item_id": PORTFOLIO, "question": "portfolio", "at": len(held), "joint": joint, "step": step}
            outcome = {"value": pit[step - 1], "observed": came[step - 1] - 1}
            yield {**about, **outcome, "timestamp": held[0].came.timestamps[step - 1]}
