"""Past days walked over: what a model and its rivals say from each, of all items or of some in turn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gatecast.calibration.combination import Rivals
from gatecast.calibration.raw_bands import RawBands
from gatecast.calibration.walked import WalkedNetwork, bands_at
from gatecast.features.cross_section import LEAST_ITEMS
from gatecast.forks import SideBySide, one_by_one
from gatecast.model import Forecasting
from gatecast.prices import PriceSeries, PriceTable

TURNS = 2  # of a table's items every second at an origin, the others at the next: half tell nearly as much


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is asked of a model at every so many rows."""

    every: int
    steps: int
    paths: int


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

    Items take turns, as their origins are numbered in the calendar, where each turn has enough for a cross-section.
    """
    turns = TURNS if len(prices) >= TURNS * LEAST_ITEMS else 1
    turn_of, turn_among = (np.searchsorted(calendar, days) // asked.every % turns for days in (origins, among))
    walks = [
        _of_a_turn(
            model, rivals, prices.select(prices.item_ids[turn::turns]), asked, origins[mine], among[turn_among == turn]
        )
        for turn, mine in ((turn, turn_of == turn) for turn in range(turns))
    ]
    for turn in turn_of:
        yield next(walks[turn])


def _of_a_turn(
    model: Forecasting | WalkedNetwork,
    rivals: Rivals | None,
    prices: PriceTable,
    asked: Asked,
    origins: np.ndarray,
    among: np.ndarray,
) -> Iterator[tuple[RawBands, np.ndarray | None]]:
    """`walk` of the items of a turn from its origins."""
    said = {}
    if rivals is not None and len(origins):

        def of(series: PriceSeries) -> np.ndarray:
            return rivals.quantiles(series, np.searchsorted(series.timestamps, origins, side="right"), asked.steps)

        said = dict(zip(prices.item_ids, side_by_side_of(model)(of, prices.series), strict=True))
    for number, bands in enumerate(bands_at(model, prices, list(origins), asked.steps, asked.paths, list(among))):
        yield bands, np.stack([said[item][number] for item in bands.item_ids]) if said else None


def side_by_side_of(model: Forecasting | WalkedNetwork) -> SideBySide:
    """How parts of the work around a model are done: as its own parts are, or one by one."""
    return model.side_by_side if isinstance(model, WalkedNetwork) else one_by_one
