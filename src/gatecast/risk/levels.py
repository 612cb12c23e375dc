"""Prices that a path may reach: the chance to touch one, to close beyond it, to touch a stop before a target."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from gatecast.errors import UsageError, briefly
from gatecast.forecast import ItemForecast
from gatecast.prices import stamp_text
from gatecast.risk.estimates import Estimate, chance, mean
from gatecast.text import likely_first, shown

Price = float | int | str  # a price of the only item, or of one that is named: "AAPL=60"
_ROUNDING = 1e-12  # share of a price; a path that is this close is there


@dataclass(frozen=True, kw_only=True, eq=False)
class LevelChances:
    """The chance to touch a price by each step, and to close above or below it at each step; all (horizon,).

    `side` says where the price lies, seen from the last close.
    """

    price: float
    side: Literal["above", "below", "at"]
    touch: Estimate
    close_above: Estimate
    close_below: Estimate


@dataclass(frozen=True, kw_only=True, eq=False)
class StopTarget:
    """Which of two prices a path touches first, by each step; all estimates are (horizon,), `same_day` single.

    `stop_first` and `target_first` are the chances that it has happened by a step; what is missing to 1 is that neither
    was touched. Where a day touches both, daily highs and lows do not tell which came first: it counts as the stop, and
    `same_day` is the share of paths that were decided so. `stop_step` and `target_step` are the mean steps of the
    touch in the paths where it came first; None where there are none.
    """

    stop: float
    target: float
    stop_first: Estimate
    target_first: Estimate
    same_day: Estimate
    stop_step: Estimate | None
    target_step: Estimate | None


def touched(item: ItemForecast, price: float) -> Bool[np.ndarray, "paths horizon"]:
    """Whether each path has touched a price by each step.

    A price above the last close is touched by a high at or above it, one below by a low at or below it; where the
    forecast has no highs and lows, by a close, which misses what happens within a day. The last close itself is touched
    at once.
    """
    if price > item.last_close:
        reached = (item.paths if item.highs is None else item.highs) >= price * (1 - _ROUNDING)
    elif price < item.last_close:
        reached = (item.paths if item.lows is None else item.lows) <= price * (1 + _ROUNDING)
    else:
        reached = np.ones(item.paths.shape, dtype=bool)
    return np.asarray(np.logical_or.accumulate(reached, axis=1))


def running_extremes(
    item: ItemForecast,
) -> tuple[Float[np.ndarray, "paths horizon"], Float[np.ndarray, "paths horizon"]]:
    """The highest and the lowest price of each path up to each step, as `touched` counts; price units."""
    highs, lows = (item.paths if extreme is None else extreme for extreme in (item.highs, item.lows))
    return np.maximum.accumulate(highs, axis=1), np.minimum.accumulate(lows, axis=1)


def first_touch(item: ItemForecast, price: float) -> Int[np.ndarray, " paths"]:
    """The step at which each path first touches a price, counted from 0; the horizon where it never does."""
    return _first(touched(item, price))


def _first(reached: Bool[np.ndarray, "paths horizon"]) -> Int[np.ndarray, " paths"]:
    return np.asarray((~reached).sum(axis=1))  # what is reached stays so


def level_chances(item: ItemForecast, price: float) -> LevelChances:
    """The chances of an item to touch a price, and to close above or below it."""
    return LevelChances(
        price=price,
        side="above" if price > item.last_close else "below" if price < item.last_close else "at",
        touch=chance(touched(item, price)),
        close_above=chance(item.paths > price * (1 + _ROUNDING)),
        close_below=chance(item.paths < price * (1 - _ROUNDING)),
    )


def stop_before_target(item: ItemForecast, stop: float, target: float) -> StopTarget:
    """The chances that a stop is touched before a target, and the target before the stop.

    One lies above the last close and the other below it; raises `UsageError` where they do not. A stop above is that of
    a short position.
    """
    if not min(stop, target) < item.last_close < max(stop, target):
        raise UsageError(
            f"a stop and a target lie on two sides of the last close; that of {shown(item.item_id)} is "
            f"{item.last_close:.6g}, the stop {stop:.6g}, the target {target:.6g}. Give one above it and one below it."
        )
    at_stop, at_target = first_touch(item, stop), first_touch(item, target)
    stopped, gained = at_stop <= at_target, at_target < at_stop
    stopped &= at_stop < item.horizon
    steps = np.arange(item.horizon)
    return StopTarget(
        stop=stop,
        target=target,
        stop_first=chance(stopped[:, None] & (at_stop[:, None] <= steps)),
        target_first=chance(gained[:, None] & (at_target[:, None] <= steps)),
        same_day=chance(stopped & (at_stop == at_target)),
        stop_step=_mean_step(at_stop[stopped]),
        target_step=_mean_step(at_target[gained]),
    )


def _mean_step(at: Int[np.ndarray, " some"]) -> Estimate | None:
    return mean(at + 1.0) if len(at) else None


def named_price(text: Price, item_ids: Sequence[str]) -> tuple[str, float]:
    """The item and the price of `60`, where there is one item, or of "AAPL=60".

    Raises `UsageError` where the item is not one of `item_ids`, or the price is no positive number.

    >>> named_price(60.0, ["X"]), named_price("EURUSD=X=1.1", ["AAPL", "EURUSD=X"])
    (('X', 60.0), ('EURUSD=X', 1.1))
    """
    item_id, separator, number = text.rpartition("=") if isinstance(text, str) else ("", "", text)
    try:
        price = math.nan if isinstance(number, bool) else float(number)
    except (TypeError, ValueError):
        price = math.nan
    if not (math.isfinite(price) and price > 0):
        raise UsageError(f"a price is a positive number; got {briefly(text)}. Write for example 60 or 'AAPL=60'.")
    if separator:
        if item_id.strip() not in item_ids:
            raise UsageError(f"no item {shown(item_id)} in this forecast. It has: {likely_first(item_ids, item_id)}.")
        return item_id.strip(), price
    if len(item_ids) > 1:
        raise UsageError(
            f"a price belongs to an item; there are {len(item_ids)}, and {price:g} names none. Write for example "
            f"'{item_ids[0]}={price:g}'."
        )
    return item_ids[0], price


def level_dict(level: LevelChances, timestamps: np.ndarray) -> dict[str, Any]:
    """`{"price", "side", "touch": {"value", "error"} within the horizon, "steps": [{"timestamp", "step", ...}]}`."""
    columns = {"touch": level.touch, "close_above": level.close_above, "close_below": level.close_below}
    return {
        "price": level.price,
        "side": level.side,
        "touch": level.touch[-1].to_dict(),
        "steps": step_rows(timestamps, columns),
    }


def stop_target_dict(found: StopTarget, timestamps: np.ndarray) -> dict[str, Any]:
    """`{"stop", "target", "stop_first", "target_first", "same_day", "stop_step", "target_step", "steps"}`."""
    return {
        "stop": found.stop,
        "target": found.target,
        "stop_first": found.stop_first[-1].to_dict(),
        "target_first": found.target_first[-1].to_dict(),
        "same_day": found.same_day.to_dict(),
        "stop_step": None if found.stop_step is None else found.stop_step.to_dict(),
        "target_step": None if found.target_step is None else found.target_step.to_dict(),
        "steps": step_rows(timestamps, {"stop_first": found.stop_first, "target_first": found.target_first}),
    }


def step_rows(timestamps: np.ndarray, columns: dict[str, Estimate]) -> list[dict[str, Any]]:
    """A row for each step: `timestamp`, `step` and each estimate by its name."""
    rows = {name: estimate.to_rows() for name, estimate in columns.items()}
    return [
        {"timestamp": stamp_text(stamp), "step": step + 1, **{name: row[step] for name, row in rows.items()}}
        for step, stamp in enumerate(timestamps)
    ]
