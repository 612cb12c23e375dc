"""Past days walked over: what a model and its rivals say from each, of all items or of some in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from gatecast.calibration.combination import Rivals
from gatecast.calibration.raw_bands import RawBands
from gatecast.calibration.walked import WalkedNetwork, bands_at
from gatecast.features.cross_section import LEAST_ITEMS
from gatecast.forks import SideBySide, called, one_by_one
from gatecast.model import Forecasting
from gatecast.prices import PriceTable

TURNS = 2  # of a table's items every second at an origin, the others at the next: half tell nearly as much


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is asked of a model at every so many rows."""

    every: int
    steps: int
    paths: int


@dataclass(frozen=True, kw_only=True, eq=False)
class _Turn:
    """Some items of a table, the origins they are asked at, and all that could be asked for (`bands_at`)."""

    prices: PriceTable
    origins: np.ndarray
    among: list[np.datetime64]


def turns_of(items: int) -> int:
    """In how many turns so many items are asked: each has enough for a cross-section."""
    return TURNS if items >= TURNS * LEAST_ITEMS else 1


def walk(
    model: Forecasting | WalkedNetwork,
    rivals: Rivals | None,
    prices: PriceTable,
    asked: Asked,
    calendar: np.ndarray,
    origins: np.ndarray,
    among: np.ndarray,
) -> Iterator[tuple[RawBands, np.ndarray | None]]:
    """The raw bands from each origin, and the rivals' quantiles for the same items; `among` as `bands_at` has it.

    Items take turns, as their origins are numbered in the calendar. What is not known yet of all of them is worked out
    first, side by side.
    """
    turns = turns_of(len(prices))
    turn_of, turn_among = (np.searchsorted(calendar, days) // asked.every % turns for days in (origins, among))
    all_of = [
        _Turn(
            prices=prices.select(prices.item_ids[turn::turns]),
            origins=origins[turn_of == turn],
            among=list(among[turn_among == turn]),
        )
        for turn in range(turns)
    ]
    said = iter(_worked_out(model, rivals, all_of, asked))
    walks = [_of_a_turn(model, turn, asked, [next(said) for _ in turn.prices] if rivals else []) for turn in all_of]
    for turn in turn_of:
        yield next(walks[turn])


def _worked_out(
    model: Forecasting | WalkedNetwork, rivals: Rivals | None, turns: Sequence[_Turn], asked: Asked
) -> list[np.ndarray]:
    """What rivals say of each item of each turn; a network's days that are not known yet are simulated beside that."""
    side_by_side = side_by_side_of(model)
    work: list[Callable[[], Any]] = []
    asked_of = [
        (series, np.searchsorted(series.timestamps, turn.origins, side="right"))
        for turn in turns
        for series in turn.prices
    ]
    if rivals is not None:  # learned first, and held here: what they said in another process would be lost
        for learned in side_by_side(called, [part for about in asked_of for part in rivals.unlearned(*about)]):
            rivals.keep(learned)
    if isinstance(model, WalkedNetwork):
        for turn in turns:
            skipped = len(turn.among) - len(turn.origins)
            work += model.unknown(turn.prices, turn.among, asked.steps, asked.paths, skipped)
    days = len(work)
    if rivals is not None:
        work += [partial(rivals.quantiles, series, rows, asked.steps) for series, rows in asked_of]
    answers = side_by_side(called, work)
    if isinstance(model, WalkedNetwork):
        model.keep(answers[:days])
    return answers[days:]


def _of_a_turn(
    model: Forecasting | WalkedNetwork, turn: _Turn, asked: Asked, said: Sequence[np.ndarray]
) -> Iterator[tuple[RawBands, np.ndarray | None]]:
    """`walk` of the items of a turn from its origins; `said` has what rivals say of each."""
    of_item = dict(zip(turn.prices.item_ids, said, strict=True)) if said else {}
    walked = bands_at(model, turn.prices, list(turn.origins), asked.steps, asked.paths, turn.among)
    for number, bands in enumerate(walked):
        yield bands, np.stack([of_item[item][number] for item in bands.item_ids]) if said else None


def side_by_side_of(model: Forecasting | WalkedNetwork) -> SideBySide:
    """How parts of the work around a model are done: as its own parts are, or one by one."""
    return model.side_by_side if isinstance(model, WalkedNetwork) else one_by_one
