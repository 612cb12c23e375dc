"""Which layout a grid has, told by its column names: long or wide, one header row or three."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gatecast.errors import UnreadableSource
from gatecast.readers.cells import Grid
from gatecast.readers.dates import parse_dates
from gatecast.readers.findings import Findings
from gatecast.text import clean, counted, shown

MAX_ITEMS = 10_000
DATE_NAMES = (
    "datetime", "date", "timestamp", "ds", "tradedate", "tradingdate", "tradingday", "observationdate",
    "dateutc", "datetimeutc", "gmttime", "localtime", "opentime", "time", "day", "period", "month",
    "unix", "epoch",
)  # fmt: skip
ITEM_NAMES = (
    "uniqueid",
    "itemid",
    "ticker",
    "symbol",
    "tickersymbol",
    "item",
    "asset",
    "instrument",
    "stock",
    "sym",
)
WEAK_ITEM_NAMES = ("name", "id", "code", "series", "key", "isin")  # assets only where dates repeat
FIELD_NAMES: dict[str, tuple[str, ...]] = {  # the first that a table has is taken
    "close": ("close", "closelast", "closeprice", "closingprice", "last", "lastprice", "price", "settle",
              "settlement", "y", "value", "c"),
    "adj_close": ("adjclose", "adjustedclose", "adjcloseprice", "adjclosingprice", "closeadj",
                  "closeadjusted"),
    "open": ("open", "openprice", "openingprice", "o"),
    "high": ("high", "highprice", "h"),
    "low": ("low", "lowprice", "l"),
    "volume": ("volume", "vol", "tradedvolume", "totalvolume", "v"),
}  # fmt: skip
_LOOKS_NUMERIC = r"^[-+]?[$€£¥]?\s*[\d.,' ]*\d[\d.,' ]*([eE][-+]?\d+)?\s*[$€£¥]?$"


@dataclass(frozen=True)
class Layout:
    """Positions of a grid's columns; `assets` has one entry where an item column divides the rows."""

    date: int
    time: int | None
    item: int | None = None
    assets: tuple[tuple[str, dict[str, int]], ...] = ()  # (item id, {field: column})


def bare(name: str) -> str:
    """A column name without case, accents and signs: `<Adj Close>` and `5. adj_close` are `adjclose`."""
    plain = unicodedata.normalize("NFKD", re.sub(r"^\s*\d+[.)]\s*", "", name))
    return re.sub(r"[^a-z0-9]", "", plain.lower())


def find_layout(grid: Grid, name: str, findings: Findings) -> Layout:
    """The layout of a grid; raises `UnreadableSource` naming the columns it has and those it could have."""
    date, time = _date_columns(grid)
    layout = Layout(date, time)
    rest = [at for at in range(len(grid.names)) if at not in (date, time)]
    if any(len(grid.names[at]) > 1 for at in rest):
        layout = _two_levels(grid, layout, rest)
    else:
        layout = _one_level(grid, layout, rest, name, findings)
    if len(layout.assets) > MAX_ITEMS:
        raise UnreadableSource(
            f"a source holds at most {MAX_ITEMS:,} items; this one has {len(layout.assets):,}. Split it."
        )
    return layout


def _date_columns(grid: Grid) -> tuple[int, int | None]:
    names = [bare(one[-1] if len(one) == 1 else one[0]) for one in grid.names]
    found = [names.index(known) for known in DATE_NAMES if known in names]
    clock = names.index("time") if "time" in names else None
    if clock is not None and "date" in names:
        return names.index("date"), clock
    if found:
        return found[0], None
    for at, column in enumerate(grid.columns):
        head = column[:50]
        if isinstance(head, np.ndarray):
            if head.dtype.kind == "M":
                return at, None
        elif len(head) and pc.sum(
            pc.match_substring_regex(head, r"\d[-/. ]|^\d{8}$|^\d{9,13}$")
        ).as_py() > 0.8 * len(head):
            try:
                unreadable = parse_dates(head, grid.names[at][0]).unreadable
            except UnreadableSource:  # day and month look alike in the head; the whole column may decide
                return at, None
            if unreadable.mean() < 0.2 and not _is_price_like(head):
                return at, None
    raise UnreadableSource(
        f"a table needs a date column; this one has {listed(grid)}. "
        "Name one 'date' (or datetime, timestamp, ds)."
    )


def _is_price_like(head: pa.ChunkedArray) -> bool:
    return bool(pc.any(pc.match_substring_regex(head, r"^\d{1,7}\.\d+$|^\d{1,7}$")).as_py())


def listed(grid: Grid) -> str:
    """The names of a grid's columns for a message."""
    names = [shown("/".join(one)) for one in grid.names]
    return f"{', '.join(names[:12])}{' and more' if len(names) > 12 else ''}" if names else "no columns"


def _one_level(grid: Grid, layout: Layout, rest: list[int], name: str, findings: Findings) -> Layout:
    names = {at: bare(grid.names[at][0]) for at in rest}
    fields = _fields(grid, names, findings)
    if "close" not in fields and "adj_close" in fields:
        fields["close"] = fields.pop("adj_close")
    if "close" not in fields:
        return _wide(grid, layout, rest, fields, findings)
    item = next(
        (at for known in ITEM_NAMES for at in rest if names[at] == known and at not in fields.values()), None
    )
    if item is None:
        item = next(
            (at for at in rest if names[at] in WEAK_ITEM_NAMES and _divides(grid, layout.date, at)), None
        )
    taken = {names[at] for at in fields.values()}
    extra = [at for at in rest if at != item and names[at] not in taken and grid.names[at][0]]
    if extra:
        text = ", ".join(shown(grid.names[at][0]) for at in extra[:6])
        more = f" and {len(extra) - 6} more" if len(extra) > 6 else ""
        findings.notes.append(f"left out columns that are no prices: {text}{more}.")
    return replace(layout, item=item, assets=((name, fields),))


def _divides(grid: Grid, date: int, item: int) -> bool:
    """Whether a column of names tells assets apart: dates stand more than once, and names differ."""
    dates, names = grid.columns[date], grid.columns[item]
    if isinstance(names, np.ndarray):
        return False
    distinct = len(np.unique(dates)) if isinstance(dates, np.ndarray) else pc.count_distinct(dates).as_py()
    return bool(distinct < len(grid) and pc.count_distinct(names).as_py() > 1)


def _fields(grid: Grid, names: dict[int, str], findings: Findings | None) -> dict[str, int]:
    """Which column is which field, by the names known; the first of two with the same name is kept."""
    letters = set("ohlc") <= set(names.values())
    nixtla = "uniqueid" in names.values() or bare("".join(grid.names[0])) == "ds" or len(names) == 1
    fields: dict[str, int] = {}
    for field, known in FIELD_NAMES.items():
        for word in known:
            if (len(word) == 1 and word != "y" and not letters) or (word == "y" and not nixtla):
                continue  # a lone C or V is a ticker
            at = [one for one, name in names.items() if name == word]
            if not at:
                continue
            if len(at) > 1 and findings is not None:
                findings.notes.append(
                    f"kept the first of {len(at)} columns named {shown(grid.names[at[0]][0])}."
                )
            fields[field] = at[0]
            break
    if "volume" not in fields and "close" in fields:
        volume = [at for at, name in names.items() if name.startswith("volume")]
        if volume:
            fields["volume"] = volume[0]
    return fields


def _wide(grid: Grid, layout: Layout, rest: list[int], fields: dict[str, int], findings: Findings) -> Layout:
    """A date and one column per asset."""
    assets: dict[str, dict[str, int]] = {}
    ignored: list[str] = []
    if not (set(rest) - set(fields.values())) or len(set(fields) & {"open", "high", "low", "volume"}) > 1:
        rest = []
    for at in rest:
        label = grid.names[at][0]
        if not label or not _numeric(grid, at):
            ignored.append(label)
        elif label in assets:
            raise UnreadableSource(
                f"each asset needs its own name; column {shown(label)} stands twice. Rename one."
            )
        else:
            assets[label] = {"close": at}
    if not assets:
        raise UnreadableSource(
            f"a table needs prices; no price column among {listed(grid)}. "
            "Name one 'close' (or adj_close, price, last, y), or give one numeric column per asset."
        )
    if ignored:
        findings.notes.append(
            f"left out columns that are no prices: {', '.join(shown(one) for one in ignored[:6])}."
        )
    return replace(layout, assets=tuple(assets.items()))


def _numeric(grid: Grid, at: int) -> bool:
    """Whether most filled cells look like numbers; a blank column counts as an asset without prices."""
    column = grid.columns[at]
    if isinstance(column, np.ndarray):
        return column.dtype.kind == "f"
    text = pc.utf8_trim_whitespace(column)
    filled = pc.sum(pc.greater(pc.utf8_length(text), 0)).as_py() or 0
    return bool(2 * (pc.sum(pc.match_substring_regex(text, _LOOKS_NUMERIC)).as_py() or 0) >= filled)


def _two_levels(grid: Grid, layout: Layout, rest: list[int]) -> Layout:
    """Two header rows, as yfinance writes them: the field and the asset, in either order."""
    known = {word for words in FIELD_NAMES.values() for word in words}
    pairs = {at: grid.names[at] for at in rest if len(grid.names[at]) > 1}
    share = [sum(bare(pair[level]) in known for pair in pairs.values()) for level in (0, 1)]
    field_level = int(share[1] > share[0])
    items: dict[str, dict[int, str]] = {}
    for at, pair in pairs.items():
        items.setdefault(clean(pair[1 - field_level]), {})[at] = bare(pair[field_level])
    assets: list[tuple[str, dict[str, int]]] = []
    for item, names in items.items():
        fields = _fields(grid, names, None)
        if "close" not in fields and "adj_close" in fields:
            fields["close"] = fields.pop("adj_close")
        if "close" in fields:
            assets.append((item, fields))
    if not assets:
        raise UnreadableSource(
            f"a table needs prices; no price column among {listed(grid)}. Name one 'Close' for each asset."
        )
    return replace(layout, assets=tuple(assets))


def with_header(grid: Grid, findings: Findings) -> Grid:
    """A grid of text with its header rows taken as names; raises `UnreadableSource` where it has none."""
    head = [[column[row].as_py().strip() for column in grid.columns] for row in range(min(30, len(grid)))]
    start, depth = _header_rows(head)
    if start:
        skipped = sum(any(row) for row in head[:start])
        if skipped:
            findings.notes.append(f"skipped {counted(skipped, 'line')} before the header.")
    levels = head[start : start + max(1, depth - 1)] if depth > 1 else [head[start]]
    if depth == 2 and bare(head[start + 1][0]) not in DATE_NAMES:
        levels = head[start : start + 2]
    names = [
        tuple(clean(level[at]) for level in levels if clean(level[at])) or ("",) for at in range(len(head[0]))
    ]
    if depth > 1 and bare(head[start + depth - 1][0]) in DATE_NAMES:
        names[0] = (head[start + depth - 1][0],)
    elif depth > 1:
        names[0] = (head[start][0] or head[start + 1][0],)
    first = start + depth
    cut = tuple(column[first:] for column in grid.columns)
    named = replace(grid, names=tuple(names), columns=cut, lines=grid.lines[first:])
    if len(named) == 0:
        raise UnreadableSource("a table needs rows below its header; this one has none. Add prices.")
    return _without_unnamed(named)


def _header_rows(head: Sequence[Sequence[str]]) -> tuple[int, int]:
    """The first header row and how many there are."""
    start = next((at for at, row in enumerate(head) if any(row)), None)
    if start is None:
        raise UnreadableSource("a table needs a header; this one is blank. Add one such as date,close.")
    for depth in (2, 3):  # yfinance: Price and Ticker rows, then 'Date' alone
        last = head[start + depth - 1] if start + depth <= len(head) else ["?"]
        if bare(last[0]) in DATE_NAMES and not any(last[1:]) and len(last) > 1:
            return start, depth
    for at, row in enumerate(head):
        if sum(map(bool, row)) > 1 and any(bare(cell) in DATE_NAMES for cell in row):
            below = head[at + 1] if at + 1 < len(head) else []
            two = (
                len(below) > 1
                and not below[0]
                and all(re.match(r"^[^\d]*[A-Za-z^]", cell) for cell in below[1:])
            )
            return at, 2 if two else 1
    if any(re.match(_LOOKS_NUMERIC, cell) for cell in head[start]):
        raise UnreadableSource(
            f"a table needs a header; the first line holds {shown(head[start][0])}. "
            "Add one such as date,close."
        )
    return start, 1


def _without_unnamed(grid: Grid) -> Grid:
    """Leave out blank columns without a name; a filled one means that a row is too long."""
    keep = []
    for at, names in enumerate(grid.names):
        if names == ("",) and at > 0:
            filled = np.asarray(
                pc.greater(pc.utf8_length(pc.utf8_trim_whitespace(grid.columns[at])), 0), dtype=bool
            )
            if filled.any():
                place = grid.place(int(filled.argmax()))
                raise UnreadableSource(
                    f"every cell needs a column name; {place} has more cells than the header. "
                    "Quote or correct it."
                )
            continue
        keep.append(at)
    return replace(
        grid, names=tuple(grid.names[at] for at in keep), columns=tuple(grid.columns[at] for at in keep)
    )
