"""Where a walk-forward test stands: the cutoffs, which share a fit, and what a model may see at each."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime

import numpy as np
import pandas as pd

from gatecast.errors import TooFewRows, UsageError, check_whole
from gatecast.notes import Note
from gatecast.prices import PriceSeries, PriceTable, stamp_text

YEAR_OF_SESSIONS = 250  # rows an item needs before it takes part, where the table is long enough
DEFAULT_CUTOFFS = 12
_EXAMPLES = {"horizon": 5, "cutoffs": DEFAULT_CUTOFFS, "every": 5, "span": 500, "refit": 1, "min_rows": 250}
Stamp = str | date | np.datetime64


@dataclass(frozen=True, kw_only=True, eq=False)
class WalkForward:
    """A plan of rolling origins: `groups` of cutoffs that share one fit, made at the first of each group."""

    horizon: int
    groups: tuple[tuple[np.datetime64, ...], ...]
    min_rows: int
    span: int | None

    @property
    def cutoffs(self) -> tuple[np.datetime64, ...]:
        """Every cutoff, ascending."""
        return tuple(cutoff for group in self.groups for cutoff in group)

    def visible(self, prices: PriceTable, cutoff: np.datetime64) -> PriceTable:
        """What a model may see at `cutoff`: rows at or before it, the last `span` of each item if set.

        Items with fewer than `min_rows` rows by then are left out; nothing after the cutoff decides anything.
        """
        table = prices.until(cutoff)
        long = tuple(series for series in table if len(series) >= self.min_rows)
        if self.span is not None:
            long = tuple(series.rows(max(len(series) - self.span, 0), len(series)) for series in long)
        return replace(table, series=long)


def plan_walk(
    prices: PriceTable,
    *,
    horizon: int,
    cutoffs: int | None = None,
    every: int | None = None,
    start: Stamp | None = None,
    span: int | None = None,
    refit: int = 1,
    min_rows: int | None = None,
) -> WalkForward:
    """Choose the rolling origins on the calendar of all assets together.

    - `cutoffs=N` (12 where `every` is not given either): N origins evenly spaced from `start` (default: half
      way through the calendar) to the last one with `horizon` rows after it, at least `horizon` rows apart.
    - `every=K`: from `start`, every K rows of the calendar. With `cutoffs=N` too: N of them, K apart, counted
      back from the last possible.
    - `span`: rows of a sliding history (None: all). `refit=R`: fit every R origins; 0: once, at the first.
    - `min_rows`: rows an item needs before a cutoff; None is 250, or half the calendar where that is less.

    Raises `UsageError` for an argument out of range, `TooFewRows` where the history is too short for it.
    """
    given = {"horizon": horizon, "cutoffs": cutoffs, "every": every, "span": span, "refit": refit, "min_rows": min_rows}
    for name, value in given.items():
        least = {"refit": 0, "span": 2, "min_rows": 2}.get(name, 1)
        if value is not None or name in ("horizon", "refit"):
            check_whole(name, value, least=least, example=_EXAMPLES[name])
    calendar = np.unique(np.concatenate([series.timestamps for series in prices]))
    if min_rows is None:
        min_rows = min(YEAR_OF_SESSIONS, max(len(calendar) // 2, 2))
    first, last = _reach(prices, calendar, horizon, min_rows)
    count = DEFAULT_CUTOFFS if cutoffs is None and every is None else cutoffs  # None: as many as there is room for
    gap = every or horizon
    if start is not None:
        begin = int(np.searchsorted(calendar, _stamp(start)))
        if begin == len(calendar):
            raise TooFewRows(
                f"a start is a day of the prices; {start} is after the last, {stamp_text(calendar[-1])}. Start earlier."
            )
    else:
        begin = len(calendar) // 2 - 1
        if count is not None:  # enough room for the origins asked for comes first
            begin = min(begin, last - (count - 1) * gap)
    stamps = calendar[_places(max(first, begin), last, count, gap, spread=every is None)]
    size = refit or len(stamps)
    groups = tuple(tuple(stamps[at : at + size]) for at in range(0, len(stamps), size))
    return WalkForward(horizon=horizon, groups=groups, min_rows=min_rows, span=span)


def _stamp(start: Stamp) -> np.datetime64:
    """An ISO date alone: "now", "12" or "5 May" would mean another day tomorrow."""
    with suppress(ValueError, TypeError):
        stamp = pd.Timestamp(datetime.fromisoformat(start) if isinstance(start, str) else start)
        if isinstance(start, str | date | np.datetime64) and not pd.isna(stamp):
            return stamp.as_unit("ns").to_datetime64()
    raise UsageError(f"a start is a date; got {str(start)[:80]!r}. Give for example 2015-01-02.")


def _reach(prices: PriceTable, calendar: np.ndarray, horizon: int, min_rows: int) -> tuple[int, int]:
    """The calendar places of the first and the last possible cutoff."""
    known = [series.timestamps[min_rows - 1] for series in prices if len(series) >= min_rows]
    # Assets that stopped trading earlier do not hold the walk back: those alive at the end decide it.
    alive = [series for series in prices if series.timestamps[-1] >= calendar[max(len(calendar) - 1 - horizon, 0)]]
    ends = [series.timestamps[-1 - horizon] for series in alive if len(series) >= min_rows + horizon]
    if not known or not ends or min(known) > min(ends):
        longest = max(len(series) for series in prices)
        raise TooFewRows(
            f"a walk-forward test needs {min_rows} rows before a cutoff and {horizon} after it; "
            f"the longest item has {longest}. Give more history or a shorter horizon."
        )
    return int(np.searchsorted(calendar, min(known))), int(np.searchsorted(calendar, min(ends)))


def _places(begin: int, last: int, count: int | None, gap: int, *, spread: bool) -> list[int]:
    """Ascending calendar places of the cutoffs between `begin` and `last`, `gap` apart or evenly spread."""
    if count is None:
        if begin > last:
            raise TooFewRows("no cutoff after the start leaves enough rows to be judged. Start earlier.")
        return list(range(begin, last + 1, gap))
    room = max(last - begin, -1) // gap + 1
    if room < count:
        raise TooFewRows(
            f"{count} cutoffs {gap} rows apart need {(count - 1) * gap} rows between the first and the last; "
            f"there is room for {room}. Ask for fewer cutoffs, a shorter horizon or an earlier start."
        )
    if spread:
        return sorted({last - round(back) for back in np.linspace(0, last - begin, count)})
    return [last - back * gap for back in reversed(range(count))]


def overlaps(cutoffs: np.ndarray, ends: np.ndarray) -> int:
    """How many later cutoffs fall, at most, before a forecast's last day ends: the lags its errors share.

    `cutoffs` ascending and unique, `ends` the last timestamp forecast from each; both (n,).
    """
    later = np.searchsorted(cutoffs, ends, side="left") - np.arange(len(cutoffs)) - 1
    return int(max(later.max(initial=0), 0))


def apart(cutoffs: np.ndarray, ends: np.ndarray) -> int:
    """How many of the cutoffs have forecasts that share no days with each other; arguments as in `overlaps`."""
    count, place = 0, 0
    while place < len(cutoffs):
        count += 1
        place = max(int(np.searchsorted(cutoffs, ends[place], side="left")), place + 1)
    return count


def left_out(walk: WalkForward, prices: PriceTable, judged: set[str]) -> list[Note]:
    """A note for each reason why items of `prices` were not judged at all; `judged` are those that were."""
    reasons: dict[str, list[str]] = {}
    for series in prices:
        if series.item_id not in judged:
            reasons.setdefault(_why_left_out(walk, series), []).append(series.item_id)
    return [Note("test", f"not judged: {reason}", tuple(items)) for reason, items in reasons.items()]


def _why_left_out(walk: WalkForward, series: PriceSeries) -> str:
    before = np.searchsorted(series.timestamps, np.array(walk.cutoffs), side="right")
    long = before >= walk.min_rows
    if not long.any():
        return f"fewer than {walk.min_rows} rows before the last cutoff"
    if not (long & (before + walk.horizon <= len(series))).any():
        return f"ended less than {walk.horizon} rows after the first cutoff with {walk.min_rows} rows of it"
    return f"fewer than {walk.min_rows} rows when the models were fitted"
