"""What is worth saying about a sound series: likely splits, long gaps, a price that never moves."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from gatecast.calendars import gaps
from gatecast.prices import stamp_text
from gatecast.text import counted

_RATIOS = np.array([1.5, 2, 3, 4, 5, 7, 10, 20])  # of splits that happen: 3 for 2, 2 for 1, ...
_NEAR = 0.04  # a day's return blurs the ratio by a few percent
_QUIET = 6.0  # trailing volatilities; a stock that moves 12% a day halves by itself
_TRAILING = 60  # returns of the trailing volatility: a quarter
_LATER = 5  # rows after which a price that came back was no split
_LONG_GAP = 10  # sessions


def notice(
    stamps: np.ndarray,
    close: Float[np.ndarray, " time"],
    opens: Float[np.ndarray, " time"] | None = None,
    *,
    adjusted: bool = False,
) -> list[str]:
    """Sentences about a series that is sorted, positive and finite; nothing is changed.

    `adjusted`: the source had adjusted closes, so that no split is left to look for.

    >>> days = np.arange("2024-01-01", "2024-03-01", dtype="M8[D]").astype("M8[ns]")
    >>> notice(days, np.where(np.arange(60) < 30, 100.0, 50.0))
    ['2024-01-31 may be an unadjusted split: the close went from 100 to 50, 1 for 2; nothing was changed.']
    """
    notes = []
    if len(close) > 1 and (close == close[0]).all():
        notes.append(f"the close is {close[0]:g} in all {counted(len(close), 'row')}.")
    splits = [] if adjusted else _splits(close, opens)
    for row in splits[:3]:
        before, after = close[row - 1], close[row]
        level = after if opens is None else opens[row]
        ratio = max(before / level, level / before)
        near = _RATIOS[int(np.abs(_RATIOS / ratio - 1).argmin())]
        kind = {1.5: (2, 3)}.get(float(near), (1, int(near)))
        text = f"{kind[0]} for {kind[1]}" if before > after else f"{kind[1]} for {kind[0]}"
        notes.append(
            f"{stamp_text(stamps[row])} may be an unadjusted split: "
            f"the close went from {before:g} to {after:g}, {text}; nothing was changed."
        )
    if len(splits) > 3:
        notes.append(f"{len(splits) - 3:,} more rows look like unadjusted splits.")
    missing = gaps(stamps)
    long = np.flatnonzero(missing > _LONG_GAP)
    for row in long[:3]:
        notes.append(
            f"a gap of {int(missing[row]):,} sessions lies between {stamp_text(stamps[row])} "
            f"and {stamp_text(stamps[row + 1])}."
        )
    if len(long) > 3:
        notes.append(f"{len(long) - 3:,} more gaps are longer than {_LONG_GAP} sessions.")
    return notes


def _splits(close: Float[np.ndarray, " time"], opens: Float[np.ndarray, " time"] | None) -> list[int]:
    """Rows whose one-step ratio is near a split's, large for the series, and does not come back.

    A split happens overnight: where there are opens, the ratio is the open's to the close before, so that the
    day's own return does not blur it.
    """
    if len(close) < 3:
        return []
    returns = np.diff(np.log(close))
    overnight = returns if opens is None else np.log(opens[1:] / close[:-1])
    size = np.exp(np.minimum(np.abs(overnight), 5.0))
    near = (np.abs(size[:, None] / _RATIOS - 1) < _NEAR).any(axis=1)
    total, square = (np.concatenate([[0.0], np.cumsum(one)]) for one in (returns, returns**2))
    end = np.arange(len(returns))
    start = np.maximum(end - _TRAILING, 0)
    count = np.maximum(end - start, 1)
    mean = (total[end] - total[start]) / count
    variance = np.maximum((square[end] - square[start]) / count - mean**2, 0)
    rows = np.flatnonzero(near & (np.abs(returns) > _QUIET * np.sqrt(variance)) & (end >= 5)) + 1
    kept = []
    for row in rows:
        after = float(np.log(np.median(close[row : row + _LATER])))
        if abs(after - np.log(close[row])) < abs(after - np.log(close[row - 1])):
            kept.append(int(row))
    return kept
