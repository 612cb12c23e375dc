"""Risk in pictures: the chance to touch a price, falls from a peak, what each holding adds, two holdings together."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from gatecast.faces.figures.palette import ACCENT, ACCENT_SOFT, BANDS, INK, MUTED, QUIET, RIVALS, TOUCH, ZERO_LINE
from gatecast.faces.figures.style import (
    axis_title,
    band,
    bars,
    dates,
    dots,
    drawn,
    heat_map,
    line,
    numbers,
    plain,
    short_name,
)
from gatecast.faces.wording import known_history, level_text, price_text
from gatecast.forecast import ItemForecast
from gatecast.prices import PriceSeries
from gatecast.risk.contributions import Contributions
from gatecast.risk.drawdown import worst_falls
from gatecast.risk.levels import running_extremes, touched
from gatecast.risk.pairs import Pair

CONTOURS = (0.05, 0.1, 0.25, 0.5, 0.75)  # chances to touch, each a line
MOST_STEPS = 60  # columns of a surface; more are finer than a screen
MOST_POINTS = 2000  # of a cloud
MOST_BARS = 20  # holdings with a bar
_ROOM = 0.08  # of a date axis, for labels; on a phone they need as much
_SIDE = 24  # prices of a surface above the last close, and as many below it
_REACH = 0.02  # share of paths that leave the picture above, and below
_FARTHEST = 1.6  # times that reach, within which a marked price widens the picture
_LOOKS = {"stop": RIVALS[4], "target": RIVALS[0]}
_PRICES = tuple(RIVALS[place] for place in (1, 2, 3, 6, 8, 5, 7))  # a colour for each price asked, then again
_Extremes = tuple[Float[np.ndarray, "paths horizon"], Float[np.ndarray, "paths horizon"]]
_Lines = tuple[Float[np.ndarray, " steps"], Float[np.ndarray, " steps"]]


def touch_surface(
    item: ItemForecast,
    history: PriceSeries | None = None,
    *,
    marked: Sequence[tuple[str, float]] = (),
    level: float = 0.9,
    history_rows: int | None = None,
) -> go.Figure:
    """The chance to touch each price by each step as one surface, under the median and a band of the paths.

    The surface is 1 at the last close and falls away from it; along its contour lines the chance is 5, 10, 25, 50 and
    75%. It counts as `risk.levels.touched` does. `marked` are prices to draw, each with its kind: "stop", "target" or
    "price"; those far outside of the picture are left out. Of the `history` as many closes as there are steps are
    shown, 20 at least, unless told. Prices carry six significant digits.
    """
    chosen = np.unique(np.linspace(0, item.horizon - 1, min(item.horizon, MOST_STEPS)).round().astype(int))
    ahead = dates(np.concatenate([[item.last_timestamp], item.timestamps[chosen]]).astype("datetime64[ns]"))
    reached = running_extremes(item)
    prices = _prices(item.last_close, reached, [price for _, price in marked])
    chances = [100 * touched(item, price).mean(axis=0)[chosen] for price in prices.tolist()]
    hover = "%{y:,.6~g} by %{x|%a %-d %b %Y}: touched in %{z:.3~g}% of the paths"
    surface = heat_map(ahead[1:], numbers(prices), map(numbers, chances), TOUCH, (0.0, 100.0), hover)
    traces: list[go.Heatmap | go.Scatter] = [surface]
    contours = [_contour(item.last_close, reached, share, chosen) for share in CONTOURS]
    ends = [end for lines in contours for end in lines]
    told = f"Touched in {', '.join(f'{100 * share:g}' for share in CONTOURS[:-1])} and {CONTOURS[-1]:.0%} of the paths"
    traces.append(_broken(ahead, item, ends, told, MUTED, width=0.9))
    first, known = item.last_timestamp, known_history(item, history)
    if known is not None:
        rows = max(item.horizon, 20) if history_rows is None else history_rows
        closes = known.rows(max(len(known) - rows, 0), len(known))
        hover = "close %{y:,.6~g}"
        traces.append(line(dates(closes.timestamps), closes.close, "Close", INK, width=1.6, hover=hover))
        first = closes.timestamps[0]
    edges = [edge[chosen] for edge in item.interval(level)]
    traces.append(_broken(ahead, item, edges, f"{level_text(level)} band", ACCENT, width=1.4, dash="dash"))
    traces.append(_broken(ahead, item, [item.median[chosen]], "Median", ACCENT, width=2.4))
    looks = cycle(_PRICES)
    for kind, price in marked:
        colour = _LOOKS[kind] if kind in _LOOKS else next(looks)
        if prices[0] <= price <= prices[-1]:
            name = f"{kind.capitalize()} {price_text(price, item.last_close)}"
            traces.append(line([ahead[0], ahead[-1]], [price] * 2, name, colour, width=1.8, dash="dot"))
    labels = [
        _label(ahead[-1], float(edge[-1]), f"{share:.0%}")
        for share, lines in zip(CONTOURS, contours, strict=True)
        for edge in lines
    ]
    hours = "" if len(ahead[0]) == 10 else " %H:%M"
    return drawn(
        traces,
        xaxis={"type": "date", "hoverformat": f"%a %-d %b %Y{hours}", "range": _span(first, item.timestamps[-1])},
        yaxis={"showgrid": False},
        layout={"hovermode": "closest", "annotations": labels},
    )


def _prices(last: float, reached: _Extremes, marked: Sequence[float]) -> Float[np.ndarray, " prices"]:
    """The prices of a surface in ascending order, the last close in the middle."""
    highest, lowest = reached
    low = min(float(np.quantile(lowest[:, -1], _REACH)), 0.999 * last)
    high = max(float(np.quantile(highest[:, -1], 1 - _REACH)), 1.001 * last)
    below = [price for price in marked if last - _FARTHEST * (last - low) <= price < low]
    above = [price for price in marked if high < price <= last + _FARTHEST * (high - last)]
    low, high = min([low, *below]), max([high, *above])
    return np.concatenate([np.linspace(low, last, _SIDE + 1), np.linspace(last, high, _SIDE + 1)[1:]])


def _contour(last: float, reached: _Extremes, share: float, chosen: np.ndarray) -> _Lines:
    """The prices above and below the last close that this share of the paths has touched by each step."""
    highest, lowest = reached
    above = np.quantile(highest[:, chosen], 1 - share, axis=0)
    below = np.quantile(lowest[:, chosen], share, axis=0)
    return np.maximum(above, last), np.minimum(below, last)


def _broken(
    ahead: list[str],
    item: ItemForecast,
    ends: Sequence[Float[np.ndarray, " steps"]],
    name: str,
    colour: str,
    *,
    width: float,
    dash: str | None = None,
) -> go.Scatter:
    """Lines from the last close in one trace with breaks, so that they have one entry in the legend."""
    x = [part for _ in ends for part in (*ahead, None)]
    y = [part for end in ends for part in (item.last_close, *end.tolist(), np.nan)]
    return line(x[:-1], y[:-1], name, colour, width=width, dash=dash, mode="lines")


def _label(x: str, y: float, text: str) -> dict[str, object]:
    """A small text to the right of a line's end."""
    look = {"color": MUTED, "size": 10}
    return {"x": x, "y": y, "text": text, "showarrow": False, "xanchor": "left", "yanchor": "middle", "font": look}


def _span(first: np.datetime64, last: np.datetime64) -> list[str]:
    """The ends of an axis of dates, with room for the labels beyond the last."""
    start, end = (np.asarray(stamp, dtype="datetime64[s]") for stamp in (first, last))
    return [str(stamp) for stamp in (start, end + ((end - start) * _ROOM).astype("timedelta64[s]"))]


def drawdown_fan(item: ItemForecast, *, levels: Sequence[float] = (0.5, 0.8, 0.9)) -> go.Figure:
    """The worst fall from a peak up to each step: nested bands of the paths and the median, down from 0.

    Falls are shares of the peak, to the simulated lows where there are any, as `risk.drawdown.worst_falls` has them.
    """
    lows = None if item.lows is None else item.lows / item.last_close
    falls = worst_falls(item.paths / item.last_close, lows)
    ahead = dates(np.concatenate([[item.last_timestamp], item.timestamps]).astype("datetime64[ns]"))
    traces = []
    wide_first = sorted(levels, reverse=True)
    for level, place in zip(wide_first, range(-len(levels), 0), strict=True):
        worst, mildest = (np.quantile(falls, q, axis=0) for q in ((1 + level) / 2, (1 - level) / 2))
        edges = [0.0, *(-worst).tolist()], [0.0, *(-mildest).tolist()]
        traces.append(band(ahead, *edges, level_text(level), BANDS[max(place, -len(BANDS))]))
    shown = {q: [0.0, *(-np.quantile(falls, q, axis=0)).tolist()] for q in (0.5, 0.95)}
    rare = line(ahead, shown[0.95], "Worse in 1 path of 20", RIVALS[4], width=1.4, hover="worse in 1 of 20 %{y:.1%}")
    middle = line(ahead, shown[0.5], "Median", ACCENT, width=2.4, hover="median %{y:.1%}")
    hours = "" if len(ahead[0]) == 10 else " %H:%M"
    return drawn(
        [*traces, rare, middle],
        xaxis={"type": "date", "hoverformat": f"%a %-d %b %Y{hours}"},
        yaxis={"tickformat": ".0%" if -shown[0.95][-1] > 0.04 else ".1%", "rangemode": "tozero"},
    )


def shortfall_bars(part: Contributions) -> go.Figure:
    """What each holding adds to a portfolio's expected shortfall, beside its own shortfall if it were held alone.

    The largest contributions, in per cent of the portfolio's value; whiskers are two sampling errors to each side.
    """
    item_ids = sorted(part.shares, key=lambda item_id: -abs(float(part.shares[item_id].value)))[:MOST_BARS][::-1]
    places = list(range(len(item_ids)))
    names = [plain(short_name(item_id)) for item_id in item_ids]
    traces = []
    for found, name, colour in ((part.alone, "Alone", QUIET), (part.shares, "Adds to the portfolio's", ACCENT)):
        estimates = [found[item_id] for item_id in item_ids]
        whiskers = {"type": "data", "array": numbers(2 * float(each.error) for each in estimates), "color": MUTED}
        value = numbers(float(each.value) for each in estimates)
        look = {"orientation": "h", "name": name, "error_x": {**whiskers, "thickness": 1.2, "width": 3}}
        traces.append(bars(value, places, colour, f"{name.lower()} %{{x:.1%}}", **look))
    ticks = {"tickmode": "array", "tickvals": places, "ticktext": names, "ticksuffix": "  "}
    return drawn(
        traces,
        xaxis={"tickformat": ".1~%", "showgrid": True, "nticks": 6, **ZERO_LINE},
        yaxis={"side": "left", "showgrid": False, "tickfont": {"color": INK}, **ticks},
        layout={"hovermode": "closest", "barmode": "group", "bargap": 0.35},
    )


def joint_cloud(pair: Pair, *, level: float) -> go.Figure:
    """The returns of two holdings to the last step, a dot a path; the portfolio's worst paths coloured.

    `level` is the share of worst paths, as the legend names it. Of many paths the first are drawn, being exchangeable.
    """
    returns, worst = pair.returns[:, :MOST_POINTS], pair.worst[:MOST_POINTS]
    first, second = (plain(short_name(item_id)) for item_id in pair.item_ids)
    hover = f"{first} %{{x:+.1%}}, {second} %{{y:+.1%}}"
    traces = [
        dots(numbers(returns[0, where]), numbers(returns[1, where]), {"color": colour, "size": size}, hover, name=name)
        for where, colour, size, name in (
            (~worst, ACCENT_SOFT, 5, "Paths"),
            (worst, RIVALS[4], 6, f"The portfolio's worst {level_text(level)}"),
        )
    ]
    axis = {"tickformat": ".0%", "showgrid": True, **ZERO_LINE}
    return drawn(
        traces,
        xaxis={**axis, "title": axis_title(first), "nticks": 7},
        yaxis={**axis, "title": axis_title(second)},
        layout={"hovermode": "closest"},
    )
