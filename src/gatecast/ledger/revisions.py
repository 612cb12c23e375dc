"""Are new prices those that a forecast was made from: the same, adjusted by one ratio, revised, or others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gatecast.ledger.records import moment_text
from gatecast.notes import Note
from gatecast.prices import PriceSeries

SAME = 5e-4  # relative; adjusted prices are rounded to a cent or to four digits
_LEAST_SHARE = 0.8  # of the recorded rows that the new prices must have: a few may have been dropped since
OTHER = 0.25  # of a usual move; revisions and dividends change a few rows, another asset's prices change them all
_MOST_ROWS = 1.25  # new rows for each recorded one between them; more are bars of another length


@dataclass(frozen=True, kw_only=True)
class Match:
    """`ratio`: how many times a recorded close the new one is; None where the prices are not of the same rows.

    `revised`: the largest relative change of a recorded close that the ratio does not explain.
    """

    ratio: float | None
    revised: float
    notes: tuple[Note, ...] = ()


def match(series: PriceSeries, content: Mapping[str, Any]) -> Match:
    """Hold the closes that a forecast was recorded with against a series of new prices."""
    stamps = np.array([np.datetime64(stamp, "ns") for stamp, _ in content["recent"]])
    closes = np.array([close for _, close in content["recent"]])
    places = np.searchsorted(series.timestamps, stamps)
    there = series.timestamps[np.minimum(places, len(series) - 1)] == stamps
    # Where the new prices begin later, of the rows from their first on.
    asked = stamps >= series.timestamps[0]
    between = int(np.searchsorted(series.timestamps, stamps[-1], side="right") - places[0])
    if not there.any() or there.sum() < _LEAST_SHARE * asked.sum() or between > _MOST_ROWS * len(stamps) + 1:
        text = (
            f"not settled: the new prices have {int(there.sum())} of the last {len(stamps)} rows that were recorded, "
            f"and {between} between them, so they begin too late or are of another kind"
        )
        return Match(ratio=None, revised=0.0, notes=(Note("data", text, (series.item_id,)),))
    ratios = series.close[places[there]] / closes[there]
    ratio = float(ratios[-1])
    if np.abs(ratios - 1).max() <= SAME / 100:
        return Match(ratio=1.0, revised=0.0)
    if np.abs(ratios / ratio - 1).max() <= SAME and abs(ratio - 1) > SAME:
        text = f"recorded prices are now {ratio:.4g} times what they were, as after a split; returns allow for it"
        return Match(ratio=ratio, revised=0.0, notes=(Note("data", text, (series.item_id,)),))
    moved, then = np.diff(np.log(series.close[places[there]])), np.diff(np.log(closes[there]))
    if np.median(np.abs(moved - then)) > max(OTHER * np.median(np.abs(then)), SAME):
        text = (
            "not settled: most changes of the new prices from row to row are others than those that were recorded, "
            "so they are of another asset"
        )
        return Match(ratio=None, revised=0.0, notes=(Note("data", text, (series.item_id,)),))
    worst = int(np.abs(ratios - 1).argmax())
    change, when = float(ratios[worst] - 1), moment_text(stamps[there][worst])
    text = (
        f"recorded prices were revised since, most on {when}, by {100 * change:+.3g}%; outcomes are held against the "
        "forecast as it was recorded"
    )
    return Match(ratio=1.0, revised=abs(change), notes=(Note("data", text, (series.item_id,)),))
