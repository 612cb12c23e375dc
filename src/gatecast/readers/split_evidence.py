"""Whether a jump that looks like a split is one: a split leaves the day, the volume and the days after as usual.

A real fall by half is seldom so quiet: prices go on moving on that day, many more shares are traded, and the next days
are restless. The less a source tells of this, the more moves as large as usual the jump must be.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

_BEFORE = 60  # rows whose moves and ranges are the usual ones: a quarter
_FEWEST = 20  # of them
_TRADED = 20  # rows whose median volume is the usual one: a month
_AFTER = 5  # rows whose moves tell whether the news goes on
_FEWEST_AFTER = 3
_HOLIDAYS = np.timedelta64(5, "D")  # the longest rest of a market
# Standard deviations of the moves before. With all other evidence of a split, real jumps reach 8 with volumes (crude
# oil in April 2020) and 22 of closes alone (AES in September 2001).
_WITH_VOLUME, _WITH_OPEN, _CLOSE_ALONE = 10.0, 12.0, 30.0
_MISS = 2.0  # of them at most between the jump and the ratio, which is blurred by an ordinary move
_DAY = 2.5  # of them at most from open to close, and usual ranges from low to high
_QUIET = 2.0  # of them at most, the root mean square of the moves after
_VOLUME = np.log(2.5)  # of the usual; on a day of news five to thirty times as many shares are traded
_CERTAIN = np.log(1.9)  # without volumes a smaller jump than 2-for-1 is too often a real one


def doubt(stamps: np.ndarray, values: Mapping[str, np.ndarray], row: int, ratio: float) -> str | None:
    """Why a jump by 1 / `ratio` before `row` may be a real move, as a clause; None where it must be a split.

    >>> days = np.arange("2024-01-01", "2024-03-31", dtype="M8[D]").astype("M8[ns]")
    >>> close = 100 * np.exp(np.cumsum(np.where(np.arange(90) % 2, 0.01, -0.01)))
    >>> doubt(days, {"close": close / np.where(np.arange(90) < 60, 1, 2)}, 60, 2.0)
    >>> doubt(days, {"close": close / np.where(np.arange(90) < 60, 1, 1.5)}, 60, 1.5)
    'only opens and volumes could tell so small a split'
    """
    first = max(0, row - _BEFORE)
    moves = np.diff(np.log(values["close"][first : row + 1 + _AFTER]))
    before, after = moves[: row - 1 - first], moves[row - first :]
    usual = float(before.std()) if len(before) >= _FEWEST else 0.0
    if usual == 0:
        return f"it takes {_FEWEST} moves before it to know the usual ones"
    opens = values.get("open")
    if opens is not None and (opens[first:row] == values["close"][first:row]).all():
        opens = None  # written from the close, as of an index before it had opens
    traded = _traded(values, row)
    sure = opens is not None and traded is not None
    jump = float(np.log((values["close"] if opens is None else opens)[row] / values["close"][row - 1]))
    least = _WITH_VOLUME if sure else _CLOSE_ALONE if opens is None else _WITH_OPEN
    restless = len(after) < _FEWEST_AFTER or np.sqrt(np.mean(after**2)) > _QUIET * usual
    doubts = {
        "rows are missing before it": _follows_a_gap(stamps[first : row + 1]),
        "only opens and volumes could tell so small a split": not sure and abs(np.log(ratio)) < _CERTAIN,
        f"it is only {abs(jump) / usual:.0f} times a usual move": abs(jump) < least * usual,
        "it misses the ratio of a split by more than usual moves": abs(jump + np.log(ratio)) > _MISS * usual,
        "that day's own prices moved more than usual": opens is not None and _moved(values, first, row, usual),
        "the volume of that day was unusual": traded is not None and traded > _VOLUME,
        "what came after it does not show that nothing happened": not sure and restless,
    }
    return next((why for why, doubted in doubts.items() if doubted), None)


def _follows_a_gap(stamps: np.ndarray) -> bool:
    """Whether the last row is far later than its spacing says: a price moves far in months."""
    steps = np.diff(stamps)
    return bool(steps[-1] > max(_HOLIDAYS, 2 * np.median(steps)))


def _moved(values: Mapping[str, np.ndarray], first: int, row: int, usual: float) -> bool:
    """Whether a row's own prices lie further apart than usual."""
    if abs(np.log(values["close"][row] / values["open"][row])) > _DAY * usual:
        return True
    if "high" not in values or "low" not in values:
        return False
    ranges = np.log(values["high"][first : row + 1] / values["low"][first : row + 1])
    return bool(ranges[-1] > _DAY * np.median(ranges[:-1]))


def _traded(values: Mapping[str, np.ndarray], row: int) -> float | None:
    """How far a row's volume is from the usual one, as a log; None where volumes are not known.

    In shares or in what they cost, whichever is nearer: a source may have adjusted its volumes for the split.
    """
    if "volume" not in values or values["volume"][row] == 0:
        return None
    rows = slice(max(0, row - _TRADED), row + 1)
    shares, close = values["volume"][rows], values["close"][rows]
    if 2 * (shares > 0).sum() < len(shares):
        return None
    known = shares > 0
    away = [abs(np.log(kind[-1] / np.median(kind[:-1][known[:-1]]))) for kind in (shares, shares * close)]
    return float(min(away))
