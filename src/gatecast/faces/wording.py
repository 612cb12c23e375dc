"""Numbers, dates and a forecast in words: shared by the page and the terminal."""

from __future__ import annotations

import calendar
import math
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

import numpy as np

from gatecast.forecast import ItemForecast
from gatecast.prices import PriceSeries, stamp_text


def price_text(price: float, like: float) -> str:
    """A price with thousands separated, and the decimals of one `like` it; below a millionth with its power of ten.

    Decimals show `like` to a cent, or to five digits where a cent is too coarse.

    >>> [price_text(price, price) for price in (250_000.0, 47_686.814, 1.0834, 0.0042, 1.25e-8)]
    ['250,000', '47,686.81', '1.0834', '0.0042000', '1.2500e-08']
    >>> price_text(9.5, 61.2)
    '9.50'
    """
    if like >= 100_000:
        return f"{price:,.0f}"
    decimals = 2 if like >= 10 else 4 - math.floor(math.log10(like))
    return f"{price:,.{decimals}f}" if decimals <= 10 else f"{price:.4e}"


def as_cell(text: str) -> str:
    """A text for a cell of a CSV file that a spreadsheet takes for no formula: after an apostrophe, as OWASP has it.

    >>> as_cell("=SUM(A1)"), as_cell("AAPL")
    ("'=SUM(A1)", 'AAPL')
    """
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def level_text(level: float) -> str:
    """A level or probability as per cent.

    >>> level_text(0.9), level_text(0.975)
    ('90%', '97.5%')
    """
    return f"{100 * level:.6g}%"


def share_text(share: float) -> str:
    """A share of paths in whole per cent; never 0% or 100% unless it is exactly that.

    >>> share_text(0.534), share_text(0.9996), share_text(0.0)
    ('53%', '>99%', '0%')
    """
    if 0 < share < 0.01:
        return "<1%"
    if 0.99 < share < 1:
        return ">99%"
    return f"{share:.0%}"


def estimate_text(value: float, error: float) -> str:
    """A share in per cent with its sampling error in brackets, to the first digit of that error.

    >>> estimate_text(0.0512, 0.0031), estimate_text(0.371, 0.0152), estimate_text(0.0, 0.00002)
    ('5.1% (0.3)', '37% (2)', '0.000% (0.002)')
    >>> estimate_text(0.0512, 0.0)
    '5.12% (0)'
    """
    per_cent = 100 * error
    if per_cent < 1e-6:  # rounding of paths that do not differ
        return f"{100 * value:.2f}% (0)"
    decimals = max(-math.floor(math.log10(per_cent)), 0)
    rounded = round(100 * value, decimals) + 0.0  # no minus before a zero
    return f"{rounded:.{decimals}f}% ({per_cent:.{decimals}f})"


def change_text(price: float, base: float) -> str:
    """The change from `base` to `price`, signed.

    >>> change_text(103.0, 100.0), change_text(99.99, 100.0)
    ('+3.0%', '0.0%')
    """
    per_cent = round(100 * (price / base - 1), 1)
    return f"{per_cent:+.1f}%" if per_cent else "0.0%"


def typeset(text: str) -> str:
    """The text of a number as a page shows it: a true minus, and a long dash where there is no number.

    >>> typeset("-1.2%"), typeset("-")
    ('−1.2%', '–')
    """
    return "\u2013" if text == "-" else text.replace("-", "\u2212")


def date_text(stamp: np.datetime64) -> str:
    """A timestamp as the date, and the time where it is not midnight.

    >>> import numpy as np
    >>> date_text(np.datetime64("2017-12-29T21:00:00"))
    '2017-12-29 21:00'
    """
    return stamp_text(stamp).replace("T", " ").removesuffix(":00")


def day_text(stamp: np.datetime64) -> str:
    """A timestamp as it is said: the day of the week and the date, and the time where it is not midnight.

    >>> import numpy as np
    >>> day_text(np.datetime64("2024-04-05")), day_text(np.datetime64("2024-04-05T16:30"))
    ('Friday 5 April 2024', 'Friday 5 April 2024 16:30')
    """
    day: datetime = stamp.astype("datetime64[s]").item()
    time = f" {day:%H:%M}" if (day.hour, day.minute) != (0, 0) else ""
    return f"{calendar.day_name[day.weekday()]} {day.day} {calendar.month_name[day.month]} {day.year}{time}"


def reading(item: ItemForecast, level: float) -> str:
    """What the last step of a forecast says, in a sentence."""
    median, low, high = (price_text(float(end[-1]), item.last_close) for end in (item.median, *item.interval(level)))
    return (
        f"On {date_text(item.timestamps[-1])} the median of {len(item.paths):,} simulated prices is {median}; "
        f"{level_text(level)} of them lie between {low} and {high}."
    )


class StepText(NamedTuple):
    """A step of a forecast as text: the ends of the band, the share of paths above the last close, known events."""

    step: int
    date: str
    median: str
    lower: str
    upper: str
    above: str
    event: str


def events_ahead(item: ItemForecast, history: PriceSeries | None) -> dict[int, str]:
    """The kinds of the events that were known of the days of a forecast, by step; of several the names together."""
    known = known_history(item, history)
    if known is None or known.events is None:
        return {}
    steps: dict[int, list[str]] = {}
    for step, kind in known.events.steps(item.last_timestamp, item.timestamps):
        steps.setdefault(step, []).append(kind)
    return {step: ", ".join(kinds) for step, kinds in steps.items()}


def events_text(events: Mapping[int, str]) -> str:
    """The events ahead in a sentence.

    >>> events_text({12: "earnings", 15: "dividend"})
    'Known dates: earnings, step 12; dividend, step 15.'
    """
    return f"Known dates: {'; '.join(f'{kinds}, step {step}' for step, kinds in sorted(events.items()))}."


def step_texts(item: ItemForecast, level: float, events: Mapping[int, str] | None = None) -> list[StepText]:
    """Every step of an item's forecast as text, with the band at `level`, and the `events_ahead`."""
    ends = (item.median, *item.interval(level))
    prices = [[price_text(price, item.last_close) for price in end.tolist()] for end in ends]
    shares = [share_text(share) for share in item.probability_above(item.last_close).tolist()]
    dates = map(date_text, item.timestamps)
    steps = range(1, item.horizon + 1)
    known = [(events or {}).get(step, "") for step in steps]
    return [StepText(*row) for row in zip(steps, dates, *prices, shares, known, strict=True)]


def known_history(item: ItemForecast, history: PriceSeries | None) -> PriceSeries | None:
    """The rows of a history up to the forecast's last known close; None where there are none."""
    if history is None:
        return None
    end = int((history.timestamps <= np.asarray(item.last_timestamp, dtype="datetime64[ns]")).sum())
    return history.rows(0, end) if end else None


def setting_text(value: object) -> str:
    """The value of a setting as it is written on the command line; a dash where it has no effect.

    >>> setting_text(True), setting_text((64, 32)), setting_text(()), setting_text(1.0)
    ('true', '64,32', 'none', '1')
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return ",".join(map(str, value)) or "none"
    if value is None:
        return "-"
    return f"{value:g}" if isinstance(value, float) else str(value)
