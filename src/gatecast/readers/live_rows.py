"""The live last row of weekly and monthly files: a price of today beside, or instead of, the row of its period."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int

from gatecast.calendars import Spacing, describe
from gatecast.prices import stamp_text
from gatecast.readers.rows import ItemRows

_FEWEST = 6  # rows before the last; fewer do not say how a series is stamped
_REGULAR = 0.9  # of the rows stamped on the usual weekday; holidays move a few
_MONTH_START = 5  # the latest day of a month that a first session falls on: after a weekend and a holiday
_MONDAY = 0
_WORDS = {"B": "day", "D": "day", "W": "week", "M": "period"}


def merge_live_row(item: ItemRows) -> None:
    """Merge a last row that lies inside the period of the row before, or stamp it as its own period's row.

    Only where the earlier rows have a period each and are stamped with its start, as Yahoo's are: a row stamped with
    the end of its week may lie a day early for a holiday.
    """
    if len(item.stamps) <= _FEWEST:
        return
    first, before, last = item.stamps[[0, -2, -1]].astype("datetime64[D]").astype(np.int64).tolist()
    if last > before and before - first < 4 * (len(item.stamps) - 2):
        return  # most tables: rows more often than weekly, and the last has a day of its own
    spacing = describe(item.stamps[:-1])
    if spacing.freq not in _WORDS:
        return
    freq, periods, start = _periods(item, spacing)
    if freq not in _WORDS or not (np.diff(periods[:-1]) > 0).all():
        return
    live = stamp_text(item.stamps[-1])
    if periods[-1] == periods[-2]:
        _merge_last_two(item)
        done, own = "merged the last row, of {}, into", stamp_text(item.stamps[-1])
    elif start is not None:
        item.stamps = np.append(item.stamps[:-1], start)
        done, own = "took the last row, of {}, as", stamp_text(start)
    else:
        return
    item.note(f"{done.format(live)} that of its {_WORDS[freq]}, {own}: it is a live price.", -1)


def _periods(item: ItemRows, spacing: Spacing) -> tuple[str, Int[np.ndarray, " time"], np.datetime64 | None]:
    """What a row spans, each row's period, and the stamp that a last row alone in its period should have, if another.

    The first row may be late in its period, as a download that begins there is.
    """
    stamps = item.stamps
    days = stamps.astype("datetime64[D]")
    number = days.astype(np.int64)
    if spacing.freq in ("B", "D"):
        return spacing.freq, number, None
    if spacing.freq == "W" and spacing.step == 7:
        weekday = (number + 3) % 7  # 1970-01-01 was a Thursday
        usual = int(np.bincount(weekday[:-1], minlength=7).argmax())
        late = (weekday - usual) % 7
        opens = item.values.get("open")
        begins = usual == _MONDAY or (opens is not None and opens[-1] == opens[-2])
        if begins and (late[:-1] == 0).mean() >= _REGULAR:
            moved = usual == _MONDAY and late[-1] > late[1:-1].max()
            return "W", (number - usual + 3) // 7, stamps[-1] - late[-1] * np.timedelta64(1, "D") if moved else None
    if spacing.freq == "M":
        months = days.astype("datetime64[M]")
        late = (days - months.astype("datetime64[D]")).astype(np.int64)
        if late[1:-1].max() < _MONTH_START:
            count = months.astype(np.int64)
            periods = (count - count[-2]) // spacing.step
            usual = int(np.bincount(late[1:-1]).argmax())
            first = months[-2] + periods[-1] * np.timedelta64(spacing.step, "M")
            moved = late[-1] > late[1:-1].max() or first != months[-1]
            start = (first.astype("datetime64[D]") + np.timedelta64(usual, "D")).astype("datetime64[ns]")
            return "M", periods, start if moved else None
    return "", number, None


def _merge_last_two(item: ItemRows) -> None:
    """A row of the last two: the first open, the last close, the whole range; stamped as the first."""
    merged = {name: column.copy() for name, column in item.values.items()}
    opens = merged.get("open")
    for name, column in merged.items():
        before, live = column[-2:]
        if name in ("close", "adj_close"):
            column[-2] = live
        elif name == "high":
            column[-2] = max(before, live)
        elif name == "low":
            column[-2] = min(before, live)
        elif name == "volume":  # a live row that repeats its period so far has all its volume; another adds a day's
            repeats = live == before or (opens is not None and opens[-2] == opens[-1])
            column[-2] = max(before, live) if repeats else before + live
    item.values = merged
    item.take(np.arange(len(item.stamps) - 1))
