"""Remarks on a sound series, which change nothing: splits, gaps, a constant price, rows on no session, clocks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from gatecast.calendars import clock_text, describe, gaps, off_calendar
from gatecast.prices import stamp_text
from gatecast.readers.splits import split_remarks
from gatecast.text import counted

_LONG_GAP = 10  # sessions
_FAR = 7.0  # times the price before; hardly a share moves so far in a day, and a lost digit makes it ten


def diagnose(
    stamps: np.ndarray,
    values: Mapping[str, Float[np.ndarray, " time"]],
    *,
    adjusted: bool = False,
    calendar: str | None = None,
) -> list[tuple[str, int | None]]:
    """Sentences about a series that is sorted, positive and finite, each with the first row that it tells of, if any.

    `adjusted`: the source had adjusted closes, so that no split is left to look for. `calendar`: the exchange
    whose sessions the rows should be on.

    >>> days = np.arange("2024-01-01", "2024-03-01", dtype="M8[D]").astype("M8[ns]")
    >>> diagnose(days, {"close": np.where(np.arange(60) < 30, 100.0, 50.0)})[0][0].split(". ")[0]
    '2024-01-31: the price went from 100 to 50, like an unadjusted 2-for-1 split'
    """
    remarks: list[tuple[str, int | None]] = []
    close = values["close"]
    if len(close) > 1 and (close == close[0]).all():
        rows = counted(len(close), "row")
        remarks.append((f"the close is {close[0]:g} in all {rows}: there is no movement to learn from.", None))
    if not adjusted:
        remarks += split_remarks(stamps, values)
    if len(close) > 1 and not any(row == len(close) - 1 for _, row in remarks):
        ratio = float(close[-2] / close[-1])
        if max(ratio, 1 / ratio) > _FAR:
            times = f"{max(ratio, 1 / ratio):.0f} times {'smaller' if ratio > 1 else 'larger'}"
            what = f"the last price, {close[-1]:g}, is {times} than the one before"
            remarks.append((f"{what}: check that its line is whole.", len(close) - 1))
    missing = gaps(stamps)
    long = np.flatnonzero(missing > _LONG_GAP)
    remarks += [
        (
            f"{int(missing[row]):,} sessions are missing between {stamp_text(stamps[row])} and "
            f"{stamp_text(stamps[row + 1])}; the move across the gap counts as a single step.",
            row + 1,
        )
        for row in long[:3].tolist()
    ]
    if len(long) > 3:
        more = counted(len(long) - 3, "other gap")
        remarks.append((f"{more} of more than {_LONG_GAP} sessions found.", int(long[3]) + 1))
    if calendar is not None and (off := off_calendar(stamps, calendar)).any():
        count, first = counted(int(off.sum()), "row"), stamp_text(stamps[int(off.argmax())])
        which = f"{count} not on a session of {calendar}, the first on {first}"
        remarks.append((f"{which}: check dates and calendar.", int(off.argmax())))
    if describe(stamps).freq == "h" and (text := clock_text(stamps, calendar)) is not None:
        remarks.append((text, None))
    return remarks
