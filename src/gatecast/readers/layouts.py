"""Which columns of a grid are dates, items, prices and volume, by their names: a long or a wide layout."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pyarrow.compute as pc

from gatecast.errors import UnreadableSource
from gatecast.readers.cells import Grid
from gatecast.readers.date_columns import date_column
from gatecast.readers.numbers import holds_percentages, look_like_numbers
from gatecast.text import clean, listed, shown

MAX_ITEMS = 10_000
DATE_NAMES = (
    "datetime", "date", "timestamp", "ds", "tradedate", "tradingdate", "tradingday", "observationdate",
    "dateutc", "datetimeutc", "gmttime", "localtime", "opentime", "time", "day", "period", "month",
    "unix", "epoch",
)  # fmt: skip
ITEM_NAMES = (
    "uniqueid", "itemid", "ticker", "symbol", "tickersymbol", "item", "asset", "instrument", "stock", "sym",
)  # fmt: skip
WEAK_ITEM_NAMES = ("name", "id", "code", "series", "key", "isin")  # items only where dates repeat
FIELD_NAMES: dict[str, tuple[str, ...]] = {  # the first name that the table has is taken
    "close": ("close", "closelast", "closeprice", "closingprice", "last", "lastprice", "price", "settle",
              "settlement", "y", "value", "c"),
    "adj_close": ("adjclose", "adjustedclose", "adjcloseprice", "adjclosingprice", "closeadj",
                  "closeadjusted"),
    "open": ("open", "openprice", "openingprice", "o"),
    "high": ("high", "highprice", "h"),
    "low": ("low", "lowprice", "l"),
    "volume": ("volume", "vol", "tradedvolume", "totalvolume", "v"),
}  # fmt: skip
LOOKS_NUMERIC = r"^[-+]?[$€£¥]?\s*[\d.,' ]*\d[\d.,' ]*([eE][-+]?\d+)?\s*[$€£¥]?$"

Assets: TypeAlias = dict[str, dict[str, int]]  # {item id: {field: column}}


@dataclass(frozen=True)
class Layout:
    """Positions of a grid's columns; `assets` has a single entry where an item column divides the rows."""

    date: int
    time: int | None
    item: int | None
    assets: Assets


def normalized(name: str) -> str:
    """A column name without case, accents and signs: `<Adj Close>` and `5. adj_close` are `adjclose`."""
    plain = unicodedata.normalize("NFKD", re.sub(r"^\s*\d+[.)]\s*", "", name))
    return re.sub(r"[^a-z0-9]", "", plain.lower())


def find_layout(grid: Grid, name: str) -> Layout:
    """The layout of a grid; `name` is that of its item where no column names items.

    Raises `UnreadableSource` where a date or price column is missing.
    """
    date, time = _date_columns(grid)
    rest = [at for at in range(len(grid.names)) if at not in (date, time)]
    if any(len(grid.names[at]) > 1 for at in rest):
        item, assets = None, _two_levels(grid, rest)
    else:
        item, assets = _one_level(grid, date, rest, name)
    if len(assets) > MAX_ITEMS:
        raise UnreadableSource(f"a source holds at most {MAX_ITEMS:,} items; this one has {len(assets):,}. Split it.")
    return Layout(date, time, item, assets)


def _date_columns(grid: Grid) -> tuple[int, int | None]:
    names = [normalized(levels[0]) for levels in grid.names]
    found = [names.index(known) for known in DATE_NAMES if known in names]
    if "date" in names and "time" in names:
        return names.index("date"), names.index("time")
    if found:
        return found[0], None
    at = date_column(grid)
    if at is not None:
        return at, None
    raise UnreadableSource(
        f"a table needs a date column; this one has {_column_names(grid)}. "
        "Name a column 'date' (or datetime, timestamp, ds)."
    )


def _column_names(grid: Grid) -> str:
    return listed([shown("/".join(levels)) for levels in grid.names], 12) or "no columns"


def _one_level(grid: Grid, date: int, rest: list[int], name: str) -> tuple[int | None, Assets]:
    """The item column, if any, and the assets of a grid with one name per column."""
    names = {at: normalized(grid.names[at][0]) for at in rest}
    fields = _fields(grid, names)
    if "close" not in fields:
        return None, _wide(grid, rest, fields)
    item = next((at for known in ITEM_NAMES for at in rest if names[at] == known and at not in fields.values()), None)
    if item is None:
        item = next((at for at in rest if names[at] in WEAK_ITEM_NAMES and _divides(grid, date, at)), None)
    taken = {names[at] for at in fields.values()}
    _note_ignored(grid, [at for at in rest if at != item and names[at] not in taken])
    return item, {name: fields}


def _note_ignored(grid: Grid, columns: list[int]) -> None:
    labels = [shown(label) for at in columns if (label := grid.names[at][0])]
    if labels:
        grid.findings.note(f"ignored columns that hold no prices: {listed(labels, 6)}.")


def _divides(grid: Grid, date: int, item: int) -> bool:
    """Whether a column of names divides rows into items: dates repeat, and names differ."""
    dates, names = grid.columns[date], grid.columns[item]
    if isinstance(names, np.ndarray):
        return False
    distinct = len(np.unique(dates)) if isinstance(dates, np.ndarray) else pc.count_distinct(dates).as_py()
    return bool(distinct < len(grid) and pc.count_distinct(names).as_py() > 1)


def _fields(grid: Grid, names: dict[int, str]) -> dict[str, int]:
    """The column of each field, by known names; of columns with the same name the first is kept."""
    letters = set("ohlc") <= set(names.values())
    nixtla = "uniqueid" in names.values() or normalized("".join(grid.names[0])) == "ds" or len(names) == 1
    fields: dict[str, int] = {}
    for field, known in FIELD_NAMES.items():
        for word in known:
            if (len(word) == 1 and word != "y" and not letters) or (word == "y" and not nixtla):
                continue  # a lone C or V is a ticker
            at = [column for column, name in names.items() if name == word]
            if len(at) > 1:
                grid.findings.note(f"kept the first of {len(at)} columns named {shown('/'.join(grid.names[at[0]]))}.")
            if at:
                fields[field] = at[0]
                break
    if "volume" not in fields and "close" in fields:
        volume = [at for at, name in names.items() if name.startswith("volume")]
        if volume:
            fields["volume"] = volume[0]
    if "close" not in fields and "adj_close" in fields:
        fields["close"] = fields.pop("adj_close")
    return fields


def _wide(grid: Grid, rest: list[int], fields: dict[str, int]) -> Assets:
    """A date and a column of closes per asset."""
    assets: Assets = {}
    ignored: list[int] = []
    percentages: list[str] = []
    if not (set(rest) - set(fields.values())) or len(set(fields) & {"open", "high", "low", "volume"}) > 1:
        rest = []
    for at in rest:
        label = grid.names[at][0]
        if label and holds_percentages(label, grid.columns[at]):
            percentages.append(shown(label))
        elif not label or not look_like_numbers(grid.columns[at]):
            ignored.append(at)
        elif label in assets:
            raise UnreadableSource(
                f"each asset needs a name of its own; two columns are named {shown(label)}. Rename a column."
            )
        else:
            assets[label] = {"close": at}
    if not assets:
        raise UnreadableSource(
            f"a table needs prices; no price column among {_column_names(grid)}. "
            "Name a column 'close' (or adj_close, price, last, y), or give a numeric column per asset."
        )
    _note_ignored(grid, ignored)
    if percentages:
        grid.findings.note(f"ignored columns of percentages: {listed(percentages, 6)}.")
    return assets


def _two_levels(grid: Grid, rest: list[int]) -> Assets:
    """Two header rows, as yfinance writes them: the field and the asset, in either order."""
    known = {word for words in FIELD_NAMES.values() for word in words}
    pairs = {at: grid.names[at] for at in rest if len(grid.names[at]) > 1}
    share = [sum(normalized(pair[level]) in known for pair in pairs.values()) for level in (0, 1)]
    field_level = int(share[1] > share[0])
    items: dict[str, dict[int, str]] = {}
    for at, pair in pairs.items():
        items.setdefault(clean(pair[1 - field_level]), {})[at] = normalized(pair[field_level])
    found = {item: _fields(grid, names) for item, names in items.items()}
    assets = {item: fields for item, fields in found.items() if "close" in fields}
    if not assets:
        raise UnreadableSource(
            f"a table needs prices; no price column among {_column_names(grid)}. Name a column 'Close' for each asset."
        )
    return assets
