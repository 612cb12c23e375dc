"""A forecast in the terminal: a table, and a fan drawn in characters that fits the width."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gatecast.faces import wording
from gatecast.faces.terminal.layout import fitted_table, safe, style_of
from gatecast.forecast import Forecast, ItemForecast, check_level
from gatecast.prices import PriceSeries, PriceTable

FULL_ITEMS = 3  # beyond it each item has a single row; more fans than this scroll off the screen
TABLE_ROWS = 12
FAN_ROWS = 15
WIDEST = 120  # columns of a fan; beyond it a fan is no easier to read

_ACCENT = "blue"
_Ends = tuple[float, float]  # the lowest and the highest price of a fan


@dataclass(frozen=True)
class _Glyphs:
    """The characters of a fan, outermost band first."""

    bands: tuple[str, str, str]
    median: str
    axis: str
    tick: str
    floor: str
    corner: str
    event: str


_UNICODE = _Glyphs(bands=("░", "▒", "▓"), median="━", axis="│", tick="┤", floor="─", corner="└", event="◆")
_ASCII = _Glyphs(bands=(".", ":", "+"), median="=", axis="|", tick="|", floor="-", corner="+", event="^")


def show_forecast(forecast: Forecast, prices: PriceTable, *, level: float, console: Console) -> None:
    """Print each item's reading, fan and table; of many items, a row each.

    Fits the console's width, stays in ASCII where its encoding is not a Unicode encoding, and has no colour where
    the console has none. Raises `UsageError` for a level outside (0, 1).
    """
    check_level(level)
    if len(forecast.items) > FULL_ITEMS:
        console.print(f"{len(forecast.items)} items, after {forecast.horizon} steps:\n", highlight=False)
        console.print(_summary(forecast, level, console))
        return
    for item in forecast:
        console.print(Text(safe(item.item_id, console), style=style_of("bold", console)))
        console.print(Text(safe(wording.reading(item, level), console)))
        console.print()
        history = prices[item.item_id] if item.item_id in prices.item_ids else None
        events = wording.events_ahead(item, history)
        if events:
            console.print(Text(safe(wording.events_text(events), console)))
            console.print()
        for line in fan_lines(item, history, level=level, width=console.width, ascii_only=console.options.ascii_only):
            console.print(_coloured(line, console), no_wrap=True, overflow="crop", crop=True)
        console.print()
        console.print(_steps_table(item, level, console, events))


def _coloured(line: str, console: Console) -> Text:
    """The line with its bands and median in the accent colour."""
    text = Text(line)
    for letters, style in (("░▒▓", _ACCENT), ("━", f"bold {_ACCENT}")):
        text.highlight_regex(f"[{letters}]+", style_of(style, console))
    return text


def _value_columns(rows: list[wording.StepText], level: float) -> dict[str, list[str]]:
    """Median, band and share above the last close, a row for each step."""
    return {
        "median": [row.median for row in rows],
        f"{wording.level_text(level)} from": [row.lower for row in rows],
        "to": [row.upper for row in rows],
        "above last": [row.above for row in rows],
    }


def _steps_table(item: ItemForecast, level: float, console: Console, events: Mapping[int, str]) -> Table:
    texts = wording.step_texts(item, level, events)
    rows = [texts[step - 1] for step in sorted({*shown_steps(item.horizon), *events})]
    columns = {"step": [str(row.step) for row in rows], "date": [row.date for row in rows]}
    columns |= _value_columns(rows, level)
    if events:
        columns["event"] = [safe(row.event, console) for row in rows]
    return fitted_table(columns, ("above last", "step"), console)


def _summary(forecast: Forecast, level: float, console: Console) -> Table:
    """A row for each item: the last step alone."""
    columns = {
        "item": [safe(item.item_id, console) for item in forecast],
        "last": [wording.price_text(item.last_close, item.last_close) for item in forecast],
        "change": [wording.change_text(float(item.median[-1]), item.last_close) for item in forecast],
        **_value_columns([wording.step_texts(item, level)[-1] for item in forecast], level),
    }
    return fitted_table(columns, ("last", "above last", "change"), console)


def shown_steps(horizon: int) -> list[int]:
    """All steps of a short horizon; of a long horizon the first, the last, and an even choice between.

    >>> shown_steps(4)
    [1, 2, 3, 4]
    >>> shown_steps(30)
    [1, 4, 6, 9, 12, 14, 17, 19, 22, 25, 27, 30]
    """
    if horizon <= TABLE_ROWS:
        return list(range(1, horizon + 1))
    return sorted({round(step) for step in np.linspace(1, horizon, TABLE_ROWS).tolist()})


def fan_lines(
    item: ItemForecast, history: PriceSeries | None, *, level: float, width: int, ascii_only: bool = False
) -> list[str]:
    """The fan as text lines, none wider than `width` (at least 30 columns are used).

    History is a dotted line of Braille (asterisks in ASCII); then the bands of 50%, 80% and `level` of the
    paths in three shades, the median through them. Prices stand at the left, three dates and a key below; known dates
    are marked on the axis.
    """
    glyphs = _ASCII if ascii_only else _UNICODE
    known = wording.known_history(item, history)
    # Twice as many closes as there are steps ahead, 40 at least.
    closes = np.array([item.last_close]) if known is None else known.close[-max(40, 2 * item.horizon) :]
    levels = sorted({0.5, 0.8, level}, reverse=True)[:3]
    bands = [item.interval(band) for band in levels]
    low = min(closes.min(), *(lower.min() for lower, _ in bands))
    high = max(closes.max(), *(upper.max() for _, upper in bands))
    if high <= low:  # a constant price: a line through the middle
        low, high = 0.99 * low, 1.01 * high
    labels = [wording.price_text(price, item.last_close) for price in np.linspace(high, low, FAN_ROWS).tolist()]
    gutter = max(len(label) for label in labels)
    columns = max(min(width, WIDEST), 30) - gutter - 2
    ahead = min(max(columns * item.horizon // (item.horizon + len(closes)), columns // 4), columns * 2 // 3)
    grid = [[" "] * columns for _ in range(FAN_ROWS)]
    ends = (float(low), float(high))
    _draw_history(grid, closes, columns - ahead, ends, ascii_only=ascii_only)
    _draw_fan(grid, item, bands, ahead=ahead, ends=ends, glyphs=glyphs)
    lines = []
    for row, cells in enumerate(grid):
        ticked = row % 7 == 0
        left = labels[row].rjust(gutter) if ticked else " " * gutter
        lines.append(f"{left} {glyphs.tick if ticked else glyphs.axis}{''.join(cells)}".rstrip())
    floor, events = [glyphs.floor] * columns, wording.events_ahead(item, history)
    for step in events:
        floor[columns - ahead + min(max(round(step * ahead / item.horizon), 1), ahead) - 1] = glyphs.event
    lines.append(f"{' ' * gutter} {glyphs.corner}{''.join(floor)}")
    first = "" if known is None else wording.date_text(known.timestamps[-len(closes)])
    lines.append(" " * (gutter + 2) + _date_line(item, first, columns, ahead))
    shades = zip(glyphs.bands[-len(levels) :], levels, strict=True)
    parts = [*(f"{glyph} {wording.level_text(band)}" for glyph, band in shades), f"{glyphs.median} median"]
    key = "  ".join([*parts, f"{glyphs.event} event"] if events else parts)
    return [*lines, " " * min(gutter + 2, max(width - len(key), 0)) + key]


def _rows(prices: Float[np.ndarray, " n"], ends: _Ends, parts: int = 1) -> np.ndarray:
    """The row of each price, the lowest of `ends` in the last and the highest in row 0; in `parts` of a row."""
    low, high = ends
    return np.rint((high - prices) / (high - low) * (FAN_ROWS * parts - 1)).astype(int)


def _draw_history(
    grid: list[list[str]], closes: Float[np.ndarray, " time"], columns: int, ends: _Ends, *, ascii_only: bool
) -> None:
    """A line through the closes; Braille gives two dots across and four down in a character."""
    across, down = (1, 1) if ascii_only else (2, 4)
    places = np.linspace(0, len(closes) - 1, columns * across)
    rows = _rows(np.interp(places, np.arange(len(closes)), closes), ends, down)
    dots = np.zeros((len(grid) * down, columns * across), dtype=bool)
    for x, row in enumerate(rows):
        before = rows[max(x - 1, 0)]
        dots[min(before + (before < row), row) : max(before - (before > row), row) + 1, x] = True  # no gap in a jump
    bits = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
    for y in range(len(grid)):
        for x in range(columns):
            cell = dots[y * down : (y + 1) * down, x * across : (x + 1) * across]
            if cell.any():
                grid[y][x] = "*" if ascii_only else chr(0x2800 + int((cell * bits).sum()))


def _draw_fan(
    grid: list[list[str]],
    item: ItemForecast,
    bands: list[tuple[Float[np.ndarray, " horizon"], Float[np.ndarray, " horizon"]]],
    *,
    ahead: int,
    ends: _Ends,
    glyphs: _Glyphs,
) -> None:
    """Shaded bands from the last close on, outermost first, then the median over them."""
    start = len(grid[0]) - ahead
    places = np.linspace(0, item.horizon, ahead + 1)[1:]
    steps = np.arange(item.horizon + 1)

    def rows(prices: Float[np.ndarray, " horizon"]) -> np.ndarray:
        return _rows(np.interp(places, steps, [item.last_close, *prices]), ends)

    for glyph, (lower, upper) in zip(glyphs.bands[-len(bands) :], bands, strict=True):
        for x, (top, bottom) in enumerate(zip(rows(upper), rows(lower), strict=True)):
            for y in range(top, bottom + 1):
                grid[y][start + x] = glyph
    for x, y in enumerate(rows(item.median)):
        grid[y][start + x] = glyphs.median


def _date_line(item: ItemForecast, first: str, columns: int, ahead: int) -> str:
    """First date, last known date and last forecast date under their columns; where tight, not the first."""
    middle, last = wording.date_text(item.last_timestamp), wording.date_text(item.timestamps[-1])
    place = max(columns - ahead - len(middle), 0)
    line = f"{first if len(first) + 2 <= place else '':{place}}{middle}".ljust(columns)
    return f"{line[: columns - len(last)]}{last}"[:columns]
