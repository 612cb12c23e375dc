"""The contract of a feature set: rows of a history, windows that grow along paths, and the day that a path draws."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from gatecast.prices import PriceSeries

WINDOW = 128  # moves a feature may look back on, one close more; there an average of decay 0.94 weighs under 0.001
FLOOR = 1e-6  # of a daily volatility; far under a pegged currency's 1e-4, far over rounding
RANGE_FLOOR = 1e-4  # of a Parkinson volatility: a day with high = low is quiet, not infinitely so

Inputs = Any  # what a network takes: an array (time, batch, feature), or a dataclass of such arrays


def parkinson(series: PriceSeries) -> Float[np.ndarray, " time"]:
    """Each day's volatility from its high and low, ln(H/L) / sqrt(4 ln 2): Parkinson (1980), equation 4.

    Never under RANGE_FLOOR; the series must have ranges.
    """
    assert series.high is not None
    assert series.low is not None
    sigma = np.log(series.high / series.low) / np.sqrt(4 * np.log(2))
    return np.asarray(np.maximum(sigma, RANGE_FLOOR))


@dataclass(frozen=True, kw_only=True)
class Student:
    """The Student-t that each path's return was drawn from (df inf: a normal); (row,) each."""

    location: Float[np.ndarray, " row"]
    scale: Float[np.ndarray, " row"]
    df: Float[np.ndarray, " row"]

    def moved(self, centre: Float[np.ndarray, " row"], unit: Float[np.ndarray, " row"]) -> Student:
        """That of `centre` plus `unit` times what this one is the density of."""
        return Student(location=centre + unit * self.location, scale=unit * self.scale, df=self.df)


@dataclass(frozen=True, kw_only=True)
class Day:
    """One simulated day of every path, in the units of the feature set's own targets; (row,) each.

    `value` is the return (or price level) in units of its trailing scale; `log_range` and `log_volume` are relative
    to what is usual there. `density` is what `value` was drawn from, where the network predicts a distribution;
    `drift` is the part of `value` that the network expected.
    """

    value: Float[np.ndarray, " row"]
    log_range: Float[np.ndarray, " row"]
    log_volume: Float[np.ndarray, " row"]
    density: Student | None = None
    drift: Float[np.ndarray, " row"] | None = None


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Histories that a network reads in one batch: inputs (time, history, ...), and where forecasts start from them.

    Each history is read up to `stops` rows, ascending; the row before a stop is the newest of the forecasts `starts`,
    by stop and history, from there.
    """

    inputs: Inputs
    stops: tuple[int, ...]
    starts: Int[np.ndarray, "stop history"]


@runtime_checkable
class Windows(Protocol):
    """The trailing windows of every path: rows are the paths of the first start, of the second, and so on."""

    @property
    def log_return(self) -> Float[np.ndarray, " row"]:
        """The log return of each path since its start."""

    @property
    def day_range(self) -> Float[np.ndarray, " row"] | None:
        """The Parkinson volatility of each path's newest day; None where the series has no ranges."""

    def inputs(self) -> Inputs:
        """Before any day what has not been read (`Features.readings`), (time, start, ...); later the newest day.

        That is (1, row, ...), or (1, start, ...) where it is the same for all paths of a start.
        """

    def density(self, day: Day) -> Student | None:
        """The density of the log return since the start, given all that came before `day`; None where there is none."""

    def append(self, day: Day) -> None:
        """Add a simulated day to every path."""


@runtime_checkable
class Features(Protocol):
    """What a network sees of a table: one implementation for recipe networks, one for the base network."""

    def history(self, tables: Sequence[Sequence[PriceSeries]]) -> list[Any]:
        """The last rows of each series as the network reads them before its first prediction, table by table."""

    def readings(self, rows: Sequence[Any]) -> list[Reading]:
        """All that comes before the last row of each of these histories, to be read once for all of their paths.

        Empty where that depends on each path's dropout masks.
        """

    def across(self, items: int) -> bool:
        """Whether what an item of a table of so many does along a path is seen by the others, who `meet` each day."""

    def meet(self, windows: Sequence[Windows], tables: Sequence[Int[np.ndarray, " start"]]) -> None:
        """Let windows, all at the same step of the same paths, see the newest days of their tables.

        `tables` numbers the table of each start of each of the windows.
        """

    def alike(self, rows: Any) -> Hashable:
        """Histories with the same key can be simulated in one block."""

    def start(self, rows: Sequence[Any], future: Sequence[np.ndarray], paths: int) -> Windows:
        """Windows of `paths` paths from the end of each of these alike histories, to the timestamps `future`."""
