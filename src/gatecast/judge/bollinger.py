"""The Bollinger guard on a history: where the naive formula fails, and what the guard gives there."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from gatecast.features.indicators import WARMUP, FeatureSpec, series_features
from gatecast.notes import Note
from gatecast.prices import PriceSeries, PriceTable, stamp_text
from gatecast.text import listed

GUARD = "bollinger_guard"
STILL = 25  # rows of the stretch shown to the naive formula: 20 collapse a band, five more show that it stays


def inspect_guard(prices: PriceTable) -> tuple[bool, list[Note]]:
    """Whether the naive Bollinger formula fails in these rows; notes of that, and of a still stretch."""
    rounding, holes = 0, []
    for series in prices:
        guarded, naive = _positions(series)
        undefined = np.flatnonzero(~np.isfinite(naive))
        rounding += int((guarded != naive).sum())
        if len(undefined):
            day = stamp_text(series.timestamps[WARMUP - 1 + undefined[0]])
            holes.append(f"{len(undefined)} rows of '{series.item_id}' (first on {day})")
    if holes:
        text = f"the naive formula divides by zero on {listed(holes)}, so it cannot be trained."
    elif rounding:
        text = f"bands collapse to rounding on {rounding} rows; there the guard gives 0.5."
    else:
        text = "no band collapses in this history, so the guard changes nothing in it."
    return bool(holes), [Note("test", f"{GUARD}: {text}"), _demonstration(prices.series[0])]


def _demonstration(series: PriceSeries) -> Note:
    """What the naive formula gives on a copy of the last rows after which the price does not move."""
    close = np.append(series.close[-60:], np.full(STILL, series.close[-1]))
    days = np.arange(len(close)).astype("datetime64[D]")
    guarded, naive = _positions(PriceSeries(item_id=series.item_id, timestamps=days, close=close))
    undefined = ~np.isfinite(naive)
    text = (
        f"{GUARD}: on a copy of the end of '{series.item_id}' with {STILL} equal closes after it, the naive "
        f"formula is 0/0 on {int(undefined.sum())} rows; the guard gives {guarded[undefined].mean():g} there."
    )
    return Note("test", text)


def _positions(series: PriceSeries) -> tuple[Float[np.ndarray, " time"], Float[np.ndarray, " time"]]:
    """The Bollinger position with the guard and without, of the rows that have their 20 closes."""
    on, off = FeatureSpec(), FeatureSpec(bollinger_guard=False)
    at = on.names.index("bollinger_position")
    return series_features(series, on)[WARMUP - 1 :, at], series_features(series, off)[WARMUP - 1 :, at]
