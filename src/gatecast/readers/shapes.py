"""Which columns are open, high, low, close and volume by their values, where names do not say it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from gatecast.errors import UnreadableSource
from gatecast.readers.cells import Grid
from gatecast.readers.dates import parse_dates
from gatecast.readers.findings import Findings
from gatecast.readers.numbers import read_numbers

SAMPLE_ROWS = 500  # looked at: enough to tell a rule from luck
_LEAST_ROWS = 5
_ENOUGH_ROWS = 20  # in fewer, each day may have been an up day
MOST_BY_SHAPE = 30  # numeric columns of one asset; a table of more has an asset per column
_NEAR = np.log(1.3)  # open, high, low and close of a row are closer than this, in the median
_MOST_RANGE = 6.0  # median moves of the close from row to row; a day's range is two or three
_STILL_INSIDE = 0.9  # of closes, those that a day's range holds two days later; of a stock's about a half
_MOST_GAP = 1.5  # median moves of the close from a close to the next open, where a volume says the rest
_CLEARLY = 0.8  # of the gap from a close to the next open, the gap that is smaller by more than luck
_SAME = 0.9  # of opens, those that are the close before: then they are called so
_NOISE = 3.0  # a volume moves this many times more than a price from row to row

Values = dict[int, np.ndarray]


@dataclass(frozen=True)
class Sample:
    """Some rows of one asset as numbers: {column: values}, NaN where a cell is none, in the order of time."""

    values: Values
    ordered: bool  # whether the order of time is known


def take_sample(grid: Grid, columns: Iterable[int], rows: np.ndarray, forward: bool | None) -> Sample:
    """The numbers of some rows of one asset; `forward`: whether dates rise down the table."""
    if forward is False:
        rows = rows[::-1]
    columns = list(columns)
    cells = tuple(
        column.take(pa.array(rows)) if isinstance(column, pa.ChunkedArray) else column[rows] for column in grid.columns
    )
    lines = np.array([grid.lines[row] for row in rows.tolist()], dtype=np.int64)
    part = replace(grid, columns=cells, lines=lines, findings=Findings())
    numbers = read_numbers(part, columns, set(columns))
    return Sample({at: number.values for at, number in numbers.items()}, forward is not None)


def forward(grid: Grid, times: list[int]) -> bool | None:
    """Whether dates mostly rise down the table; None where that is unclear."""
    with suppress(UnreadableSource):
        column = grid.columns[times[0]][:500]
        stamps = parse_dates(column, "", Findings(), day_first=grid.options.day_first).stamps
        steps = np.diff(stamps[~np.isnat(stamps)]).astype(np.int64)
        up, down = int((steps > 0).sum()), int((steps < 0).sum())
        return None if up == down else up > down
    return None


def prices_by_shape(sample: Sample, fields: Mapping[str, int]) -> dict[str, int] | None:
    """The columns of open, high, low and close where four near-equal columns can be nothing else, or None.

    One of them is the highest and one the lowest in every row, and the day's range is that of the moves from row to
    row, which the distance of two assets is not. `fields` are known already.
    """
    taken = {at for name, at in fields.items() if name not in ("open", "high", "low", "close")}
    found = _ordered(sample, fields, taken)
    return found[1] if found is not None and _is_one_asset(*found, sample, taken) else None


def may_be_prices(sample: Sample) -> dict[str, int] | None:
    """The columns that are in the order of one asset's prices in every row, and as far apart, whoever's they are."""
    found = _ordered(sample, {}, set())
    return found[1] if found is not None and _moves_as_much(*found) else None


def _ordered(sample: Sample, fields: Mapping[str, int], taken: set[int]) -> tuple[Values, dict[str, int]] | None:
    """The logs of near-equal columns, and which of them can be open, high, low and close by their order in a row."""
    values = {at: column for at, column in sample.values.items() if _price_like(column)}
    if not 4 <= len(values) <= MOST_BY_SHAPE:
        return None
    group = _near_equal({at: column for at, column in values.items() if at not in taken})
    logs = {at: np.log(np.where(values[at] > 0, values[at], np.nan)) for at in group}
    complete = np.all([np.isfinite(column) for column in logs.values()], axis=0) if logs else np.zeros(0, bool)
    if len(group) < 4 or complete.sum() < _LEAST_ROWS:
        return None
    logs = {at: column[complete] for at, column in logs.items()}
    found: list[tuple[float, float, dict[str, int]]] = []
    for high, low in itertools.permutations(group, 2):
        spread = logs[high] - logs[low]
        if np.mean(spread >= 0) < 0.99 or np.mean(spread > 0) < 0.5:
            continue
        inside = [at for at in group if at not in (high, low) and _between(logs[low], logs[at], logs[high])]
        for pair in itertools.permutations(inside, 2):
            candidate = dict(zip(("open", "high", "low", "close"), (pair[0], high, low, pair[1]), strict=True))
            if all(fields.get(name, at) == at for name, at in candidate.items()):
                found.append((float(np.median(spread)), _gap(logs, candidate, sample.ordered), candidate))
    if not found:
        return None
    least, gap, best = min(found, key=lambda entry: entry[:2])
    for other_least, other_gap, other in found:  # where the gaps do not decide, the open stands before the close
        if other_least == least and _CLEARLY * other_gap <= gap and other["open"] < min(other["close"], best["open"]):
            best = other
    return logs, best


def volume_by_shape(sample: Sample, prices: Mapping[str, int]) -> int | None:
    """The first column beside the prices that moves as a volume does, after the prices or else before them."""
    close = sample.values[prices["close"]]
    last = max(prices.values())
    others = [at for at in sample.values if at not in prices.values()]
    return next((at for at in sorted(others, key=lambda at: (at < last, at)) if _noisy(sample.values[at], close)), None)


def repeats_close(sample: Sample, prices: Mapping[str, int]) -> bool:
    """Whether an open is the close before in nearly every row."""
    opens, close = sample.values[prices["open"]], sample.values[prices["close"]]
    return sample.ordered and bool(np.mean(opens[1:] == close[:-1]) > _SAME)


def _price_like(values: np.ndarray) -> bool:
    finite = np.isfinite(values)
    return bool(finite.any() and (values[finite] > 0).mean() > 0.99 and finite.mean() > 0.5)


def _near_equal(values: Values) -> list[int]:
    """The most columns that are near a column in the median row."""
    logs = {at: np.log(np.where(column > 0, column, np.nan)) for at, column in values.items()}
    best: list[int] = []
    with np.errstate(invalid="ignore"):
        for first in logs.values():
            group = [at for at, other in logs.items() if _median_distance(first, other) < _NEAR]
            best = max(best, group, key=len)
    return best


def _median_distance(left: np.ndarray, right: np.ndarray) -> float:
    distance = np.abs(left - right)
    distance = distance[np.isfinite(distance)]
    return float(np.median(distance)) if len(distance) else np.inf


def _between(low: np.ndarray, middle: np.ndarray, high: np.ndarray) -> bool:
    return bool(np.mean((low <= middle + 1e-9) & (middle <= high + 1e-9)) > 0.97)


def _gap(logs: Values, prices: Mapping[str, int], ordered: bool) -> float:
    """How far an open is from the close before; of columns in no known order, how far right it stands."""
    if not ordered:
        return float(prices["open"])
    opens, closes = logs[prices["open"]], logs[prices["close"]]
    return float(np.mean(np.abs(opens[1:] - closes[:-1])))


def _is_one_asset(logs: Values, prices: Mapping[str, int], sample: Sample, taken: set[int]) -> bool:
    """Whether the range is that of one price's moves, and opens are near the close before; else a volume decides."""
    if not _moves_as_much(logs, prices):
        return False
    opens, high, low, close = (logs[prices[name]] for name in ("open", "high", "low", "close"))
    move = np.median(np.abs(np.diff(close)))
    if len(close) >= _ENOUGH_ROWS:
        ups, downs = int((close > opens).sum()), int((close < opens).sum())
        if min(ups, downs) < 0.1 * (ups + downs):
            return False  # always the same order: yields of several terms
        if np.mean((low[2:] <= close[:-2]) & (close[:-2] <= high[2:])) > _STILL_INSIDE:
            return False  # a channel of several days around a price, as indicators draw it
    gap = np.median(np.abs(opens[1:] - close[:-1]))
    if sample.ordered and gap < move:
        return True
    if sample.ordered and len(close) >= _ENOUGH_ROWS:
        return bool(gap < _MOST_GAP * move) and volume_by_shape(sample, prices) is not None
    return bool(taken) or volume_by_shape(sample, prices) is not None


def _moves_as_much(logs: Values, prices: Mapping[str, int]) -> bool:
    """Whether the range of a row is that of the moves from row to row."""
    move = np.median(np.abs(np.diff(logs[prices["close"]])))
    return bool(0.2 * move <= np.median(logs[prices["high"]] - logs[prices["low"]]) <= _MOST_RANGE * move)


def _noisy(values: np.ndarray, close: np.ndarray) -> bool:
    if not (values[np.isfinite(values)] >= 0).all() or np.isfinite(values).mean() < 0.5:
        return False
    if not np.nan_to_num(values).any():
        return False
    moves, steps = np.abs(np.diff(np.log1p(values))), np.abs(np.diff(np.log(close)))
    return bool(np.nanmedian(moves) > _NOISE * np.nanmedian(steps))
