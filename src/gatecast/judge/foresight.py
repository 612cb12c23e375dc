"""Whether a model knows of the next day what no past can tell: the mark of data that are dated a day too early.

Past volatility tells something of the size of the next move, and a better model somewhat more. Forecasts whose width
follows the size of the very move that comes far better than that, or whose medians follow its sign, are made from
values of that day, such as ranges that belong to it (`readers.misdated_bars`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from gatecast.features.indicators import volatility
from gatecast.prices import PriceTable
from gatecast.readers.misdated_bars import BEYOND_OWN, FORETELLS, rank_correlation

LEAST_ORIGINS = 30  # of an item; correlations of fewer are luck
DIRECTION = 0.3  # a rank correlation of medians with moves; of liquid prices it is under 0.1


def foresight(rows: pd.DataFrame, prices: PriceTable) -> dict[str, Any]:
    """Rank correlations at the first step of a model's forecasts, means over items: `n` forecasts.

    `width` and `past` are those of the middle band's width, and of the volatility before the cutoff, with the size of
    the move that came; `direction` that of the median with the move. None where no item has LEAST_ORIGINS forecasts.
    `foreseen` says whether they are beyond what a past can tell.
    """
    first = rows[rows["step"] == 1]
    found, count = [], []
    for item_id, part in first.groupby("item_id", sort=False):
        if len(part) < LEAST_ORIGINS:
            continue
        series, last = prices[str(item_id)], part["last_close"].to_numpy()
        before = np.searchsorted(series.timestamps, part["cutoff"].to_numpy(), side="right") - 1
        move = np.log(part["actual"].to_numpy() / last)
        width = np.log(part["q75"].to_numpy() / part["q25"].to_numpy())
        pairs = ((width, np.abs(move)), (volatility(series.close)[before], np.abs(move)),
                 (np.log(part["q50"].to_numpy() / last), move))  # fmt: skip
        found.append([rank_correlation(*pair) for pair in pairs])
        count.append(len(part))
    if not found:
        return {"n": 0, "width": None, "past": None, "direction": None, "foreseen": False}
    width, past, direction = np.average(found, axis=0, weights=count).tolist()
    luck = 1 / np.sqrt(first["cutoff"].nunique())
    foreseen = (width > FORETELLS and width - past > max(BEYOND_OWN, 2 * luck)) or direction > max(DIRECTION, 3 * luck)
    return {"n": sum(count), "width": width, "past": past, "direction": direction, "foreseen": bool(foreseen)}
