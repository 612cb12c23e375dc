"""Remarks on a sound series, which change nothing: splits, gaps, a constant price, rows on no session, clocks."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from gatecast.calendars import clock_text, describe, gaps, off_calendar
from gatecast.prices import stamp_text
from gatecast.text import counted

_RATIOS = np.array([1.5, 2, 3, 4, 5, 7, 10, 20])  # of common splits: 3-for-2, 2-for-1, ...
_NEAR = 0.04  # a day's return blurs the ratio by a few percent
_LARGE = 6.0  # trailing volatilities; a stock that moves 12% a day can halve without a split
_TRAILING = 60  # returns of the trailing volatility: a quarter
_LATER = 5  # rows; a price that has returned after them was no split
_LONG_GAP = 10  # sessions


def diagnose(
    stamps: np.ndarray,
    close: Float[np.ndarray, " time"],
    opens: Float[np.ndarray, " time"] | None = None,
    *,
    adjusted: bool = False,
    calendar: str | None = None,
) -> list[str]:
    """Sentences about a series that is sorted, positive and finite.

    `adjusted`: the source had adjusted closes, so that no split is left to look for. `calendar`: the exchange
    whose sessions the rows should be on.

    >>> days = np.arange("2024-01-01", "2024-03-01", dtype="M8[D]").astype("M8[ns]")
    >>> diagnose(days, np.where(np.arange(60) < 30, 100.0, 50.0))[0].split(";")[0]
    '2024-01-31: the price went from 100 to 50, like an unadjusted 2-for-1 split'
    """
    remarks = []
    if len(close) > 1 and (close == close[0]).all():
        remarks.append(
            f"the close is {close[0]:g} in all {counted(len(close), 'row')}: there is no movement to learn from."
        )
    if not adjusted:
        remarks += _split_remarks(stamps, close, opens)
    missing = gaps(stamps)
    long = np.flatnonzero(missing > _LONG_GAP)
    remarks += [
        f"{int(missing[row]):,} sessions are missing between {stamp_text(stamps[row])} and "
        f"{stamp_text(stamps[row + 1])}; the move across the gap counts as a single step."
        for row in long[:3]
    ]
    if len(long) > 3:
        remarks.append(f"{counted(len(long) - 3, 'other gap')} of more than {_LONG_GAP} sessions found.")
    if calendar is not None and (off := off_calendar(stamps, calendar)).any():
        count, first = counted(int(off.sum()), "row"), stamp_text(stamps[int(off.argmax())])
        remarks.append(f"{count} not on a session of {calendar}, the first on {first}: check dates and calendar.")
    if describe(stamps).freq == "h" and (text := clock_text(stamps, calendar)) is not None:
        remarks.append(text)
    return remarks


def _split_remarks(stamps: np.ndarray, close: np.ndarray, opens: np.ndarray | None) -> list[str]:
    rows = _splits(close, opens)
    remarks = []
    for row in rows[:3]:
        before, after = close[row - 1], (close if opens is None else opens)[row]
        ratio = float(_RATIOS[int(np.abs(_RATIOS / max(before / after, after / before) - 1).argmin())])
        many, few = (3, 2) if ratio == 1.5 else (int(ratio), 1)
        split = f"{many}-for-{few} split" if before > after else f"{few}-for-{many} reverse split"
        remarks.append(
            f"{stamp_text(stamps[row])}: the price went from {before:g} to {after:g}, like an unadjusted {split}; "
            "nothing was changed. If it is a split, use adjusted prices."
        )
    if len(rows) > 3:
        remarks.append(f"{counted(len(rows) - 3, 'other row')} like an unadjusted split found.")
    return remarks


def _splits(close: Float[np.ndarray, " time"], opens: Float[np.ndarray, " time"] | None) -> list[int]:
    """Rows whose one-step ratio is near a split's, large for the series, and lasting.

    A split happens overnight: where there are opens, the ratio is the open's to the close before, so that the
    day's own return does not blur it.
    """
    if len(close) < 3:
        return []
    returns = np.diff(np.log(close))
    overnight = returns if opens is None else np.log(opens[1:] / close[:-1])
    size = np.exp(np.minimum(np.abs(overnight), 5.0))
    near = (np.abs(size[:, None] / _RATIOS - 1) < _NEAR).any(axis=1)
    total, square = (np.concatenate([[0.0], np.cumsum(terms)]) for terms in (returns, returns**2))
    end = np.arange(len(returns))
    start = np.maximum(end - _TRAILING, 0)
    count = np.maximum(end - start, 1)
    mean = (total[end] - total[start]) / count
    variance = np.maximum((square[end] - square[start]) / count - mean**2, 0)
    rows = np.flatnonzero(near & (np.abs(returns) > _LARGE * np.sqrt(variance)) & (end >= 5)) + 1
    kept = []
    for row in rows:
        after = float(np.log(np.median(close[row : row + _LATER])))
        if abs(after - np.log(close[row])) < abs(after - np.log(close[row - 1])):
            kept.append(int(row))
    return kept
