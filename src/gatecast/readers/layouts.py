"""Which columns of a grid are dates, items, prices and volume, by name and by shape: a long or a wide layout."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from gatecast.errors import UnreadableSource
from gatecast.readers.cells import Grid, matches
from gatecast.readers.choices import name_it
from gatecast.readers.date_columns import column_names, date_columns, find_column
from gatecast.readers.dates import parse_dates
from gatecast.readers.findings import Findings
from gatecast.readers.items import is_decimal, item_column, refuse_mixed_assets
from gatecast.readers.names import FIELDS, key, kinds, known
from gatecast.readers.numbers import holds_percentages, look_like_numbers
from gatecast.readers.shapes import SAMPLE_ROWS, may_be_prices, prices_by_shape, take_sample, volume_by_shape
from gatecast.text import clean, listed, shown

MAX_ITEMS = 10_000
_VOLUME_SIZE = 1000  # times the usual price of a table
_MOST_BY_SHAPE = 30  # numeric columns of one asset; a table of more has an asset per column

Fields: TypeAlias = dict[str, int]  # {field: column}
Assets: TypeAlias = dict[str, Fields]  # {item id: its fields}


@dataclass(frozen=True)
class Layout:
    """Positions of a grid's columns; `assets` has a single entry where an item column divides the rows."""

    date: int
    time: int | None
    item: int | None
    assets: Assets


def find_layout(grid: Grid, name: str) -> Layout:
    """The layout of a grid; `name` is that of its item where no column names items.

    Raises `UnreadableSource` where a date or price column is missing.
    """
    try:
        date, time = date_columns(grid)
    except UnreadableSource:
        _refuse_without_header(grid)
        raise
    rest = [at for at in range(len(grid.names)) if at not in (date, time)]
    if any(len(grid.names[at]) > 1 for at in rest):
        item, assets = None, _two_levels(grid, rest)
    else:
        item, assets = _one_level(grid, [date] if time is None else [date, time], rest, name)
    if len(assets) > MAX_ITEMS:
        raise UnreadableSource(f"a source holds at most {MAX_ITEMS:,} items; this one has {len(assets):,}. Split it.")
    return Layout(date, time, item, assets)


def _one_level(grid: Grid, times: list[int], rest: list[int], name: str) -> tuple[int | None, Assets]:
    """The item column, if any, and the assets of a grid with one name per column."""
    chosen = {
        field: find_column(grid, field, column)
        for field, column in grid.options.columns().items()
        if field not in ("date", "item")
    }
    rest = _without_percentages(grid, rest, chosen)
    names = {at: key(grid.names[at][0]) for at in rest}
    fields = _fields(grid, names, chosen)
    if "close" not in fields and (flat := _flattened(grid, rest)):
        return None, flat
    fields = _completed_by_shape(grid, times, rest, fields)
    item = item_column(grid, times, fields, rest)
    if "close" not in fields:
        if item is None and grid.options.header:
            _refuse_without_header(grid)
            return None, _wide(grid, times, rest, fields)
        fields["close"] = _only_number(grid, [at for at in rest if at != item and at not in fields.values()])
    if item is None:
        refuse_mixed_assets(grid, times, fields["close"], [at for at in rest if at not in fields.values()])
    taken = {names[at] for at in fields.values() if at in names}  # a second column of a name has its own note
    _note_ignored(grid, [at for at in rest if at != item and at not in fields.values() and names[at] not in taken])
    return item, {name: fields}


def _without_percentages(grid: Grid, rest: list[int], chosen: Fields) -> list[int]:
    """The columns without those of percentages, which a note names; a column whose name is known keeps its meaning."""
    percentages = [
        at
        for at in rest
        if at not in chosen.values()
        and (label := grid.names[at][0])
        and not kinds(key(label))
        and holds_percentages(label, grid.columns[at])
    ]
    if percentages:
        labels = listed([shown(grid.names[at][0]) for at in percentages], 6)
        grid.findings.note(f"ignored columns of percentages: {labels}.")
    return [at for at in rest if at not in set(percentages)]


def _refuse_without_header(grid: Grid) -> None:
    """Refuse a table without a header whose columns are not known by their values."""
    if grid.headed or not grid.options.header:
        return
    first = shown(grid.columns[0][0].as_py())
    prices = [at for at in range(1, len(grid.names)) if look_like_numbers(grid.columns[at])]
    likely = grid.names[prices[min(3, len(prices) - 1)] if prices else 0][0]
    raise UnreadableSource(
        f"a table needs a header; the first line holds {first}. Add a header such as date,close, or pass "
        f"header=False with {name_it('date', '1')} and {name_it('close', likely)}."
    )


def _completed_by_shape(grid: Grid, times: list[int], rest: list[int], fields: Fields) -> Fields:
    """The fields with those that only the columns' values tell; each is noted."""
    missing = {"open", "high", "low", "close"} - set(fields)
    unknown = [at for at in rest if at not in fields.values() and not set(kinds(key(grid.names[at][0])))]
    if not missing or len(unknown) < len(missing) or len(unknown) > 2 * _MOST_BY_SHAPE:
        return fields
    columns = [at for at in (*fields.values(), *unknown) if look_like_numbers(grid.columns[at])]
    if not len(missing) <= len(columns) <= _MOST_BY_SHAPE:
        return fields
    rows = np.arange(len(grid))
    with suppress(UnreadableSource):
        item = item_column(
            replace(grid, findings=Findings()), times, fields, [at for at in rest if not is_decimal(grid, at)]
        )
        if item is not None:
            cells = np.asarray(grid.columns[item])
            rows = np.flatnonzero(cells == cells[0])
    forward = _forward(grid, times)
    for part in (rows[:SAMPLE_ROWS], rows[-SAMPLE_ROWS:]):  # old rows may be coarse, or hold a close alone
        sample = take_sample(grid, columns, part, forward)
        found = prices_by_shape(sample, fields)
        if found is not None:
            break
    else:
        return fields
    added = {name: at for name, at in found.items() if name not in fields}
    if "volume" not in fields and (volume := volume_by_shape(sample, found)) is not None:
        added["volume"] = volume
    order = [name for name in ("open", "high", "low", "close", "volume") if name in added]
    what = ", ".join(f"{shown(grid.names[added[name]][0])} as {name}" for name in order)
    where = "" if grid.headed and grid.options.header else "there is no header; "
    remedy = f"if that is wrong, pass {name_it('close', grid.names[found['close']][0])}"
    grid.findings.note(f"{where}took column {what} by their values; {remedy}.")
    return {**fields, **added}


def _forward(grid: Grid, times: list[int]) -> bool | None:
    """Whether dates mostly rise down the table; None where that is unclear."""
    with suppress(UnreadableSource):
        column = grid.columns[times[0]][:500]
        stamps = parse_dates(column, "", Findings(), day_first=grid.options.day_first).stamps
        steps = np.diff(stamps[~np.isnat(stamps)]).astype(np.int64)
        up, down = int((steps > 0).sum()), int((steps < 0).sum())
        return None if up == down else up > down
    return None


def _note_ignored(grid: Grid, columns: list[int]) -> None:
    labels = [shown(label) for at in columns if (label := grid.names[at][0])]
    if labels:
        what = "the other columns" if grid.options.close else "columns that hold no prices"
        grid.findings.note(f"ignored {what}: {listed(labels, 6)}.")


def _fields(grid: Grid, names: dict[int, str], chosen: Fields) -> Fields:
    """The column of each field: as chosen, else by known names; of columns with the same name the first is kept."""
    letters = set("ohlc") <= set(names.values())
    nixtla = "uniqueid" in names.values() or key("".join(grid.names[0])) == "ds" or len(names) == 1
    columns: dict[str, list[int]] = {}
    for at, name in names.items():
        if at not in chosen.values():
            columns.setdefault(name, []).append(at)
    fields: Fields = dict(chosen)
    for field in FIELDS:
        if field in fields or (field == "adj_close" and "close" in chosen):
            continue
        ranks = known(field)
        words = sorted((name for name in columns if name in ranks), key=ranks.__getitem__)
        # A lone C or V is a ticker, and a y is a price where Nixtla's other names are.
        words = [word for word in words if len(word) > 1 or not word.isascii() or (nixtla if word == "y" else letters)]
        if field == "volume":
            words = _with_trades(grid, columns, words)
        if words:
            same = columns[words[0]]
            if len(same) > 1:
                label = shown("/".join(grid.names[same[0]]))
                grid.findings.note(f"kept the first of {len(same)} columns named {label}.")
            fields[field] = same[0]
    if "volume" not in fields and "close" in fields:
        volume = [at for at, name in names.items() if name.startswith("volume") and at not in fields.values()]
        if volume:
            fields["volume"] = volume[0]
    if "close" not in fields and "adj_close" in fields:
        fields["close"] = fields.pop("adj_close")
    return fields


def _with_trades(grid: Grid, columns: dict[str, list[int]], words: list[str]) -> list[str]:
    """Names of volumes, those that are 0 in every row last: MetaTrader's real volume beside its tick volume."""
    if len(words) < 2:
        return words
    zero = [word for word in words if not _any_digit(grid, columns[word][0])]
    if words[0] in zero and len(zero) < len(words):
        other = next(word for word in words if word not in zero)
        labels = [shown("/".join(grid.names[columns[word][0]])) for word in (other, words[0])]
        grid.findings.note(f"took column {labels[0]} as volume: {labels[1]} is 0 or blank in every row.")
    return [*(word for word in words if word not in zero), *zero]


def _any_digit(grid: Grid, at: int) -> bool:
    """Whether a column holds a number other than 0."""
    column = grid.columns[at]
    if isinstance(column, np.ndarray):
        return column.dtype.kind == "f" and bool(np.nan_to_num(column).any())
    return bool(matches(column, "[1-9]").any())


def _flattened(grid: Grid, rest: list[int]) -> Assets:
    """Assets of columns whose names join field and asset, as `AAPL.Close` and `Close_AAPL` do; or none."""
    split: dict[str, dict[int, str]] = {}
    example = ""
    for at in rest:
        label = re.sub(r"[()'\"]", "", grid.names[at][0])
        for joint in re.finditer(r"[,_.\s:|/-]+", label):
            left, right = label[: joint.start()], label[joint.end() :]
            ways = [(item, key(word)) for word, item in ((left, right), (right, left)) if len(key(word)) > 1]
            found = next(((item, word) for item, word in ways if item and set(kinds(word)) & set(FIELDS)), None)
            if found:
                split.setdefault(found[0].strip(), {})[at] = found[1]
                example = grid.names[at][0]
                break
    columns = sum(map(len, split.values()))
    if columns < 2 or 2 * columns < len(rest):
        return {}
    assets = {item: fields for item, names in split.items() if "close" in (fields := _fields(grid, names, {}))}
    if len(assets) != len(split):
        return {}
    grid.findings.note(f"read names such as {shown(example)} as a field and its asset.")
    _note_ignored(grid, [at for at in rest if not any(at in fields.values() for fields in assets.values())])
    return assets


def _wide(grid: Grid, times: list[int], rest: list[int], fields: Fields) -> Assets:
    """A date and a column of closes per asset."""
    assets: Assets = {}
    ignored: list[int] = []
    numeric = dict.fromkeys(at for at in rest if look_like_numbers(grid.columns[at]))
    if not (set(rest) - set(fields.values())) or len(set(fields) & {"open", "high", "low", "volume"}) > 1:
        rest = []
    for at in rest:
        label = grid.names[at][0]
        if not label or at not in numeric:
            ignored.append(at)
        elif label in assets:
            raise UnreadableSource(
                f"each asset needs a name of its own; two columns are named {shown(label)}. Rename a column."
            )
        else:
            assets[label] = {"close": at}
    if not assets:
        _refuse_without_close(grid, [at for at in numeric if at not in fields.values()] or list(numeric))
    if len(assets) == 1:
        (only,) = assets.values()
        refuse_mixed_assets(grid, times, only["close"], [at for at in rest if at != only["close"]])
    _note_ignored(grid, ignored)
    _note_single(grid, times, assets)
    return assets


def _note_single(grid: Grid, times: list[int], assets: Assets) -> None:
    """Say so where columns that are read as an asset each look like one asset's prices, or like its volume."""
    if not 2 <= len(assets) <= _MOST_BY_SHAPE:
        return
    columns = {item: fields["close"] for item, fields in assets.items()}
    rows = np.arange(min(len(grid), SAMPLE_ROWS))
    sample = take_sample(grid, columns.values(), rows, _forward(grid, times))
    if order := may_be_prices(sample):
        high, low, close = (grid.names[order[name]][0] for name in ("high", "low", "close"))
        grid.findings.note(
            f"read {len(assets)} columns as an asset each; {shown(high)} is the highest and {shown(low)} the lowest in "
            f"every row: if they are one asset's, pass {name_it('close', close)}."
        )
        return
    values = {item: sample.values[at] for item, at in columns.items()}
    sizes = {item: float(np.median(cells)) for item, column in values.items() if len(cells := column[column > 0])}
    usual = float(np.median(list(sizes.values()))) if sizes else 0.0
    large = [item for item, size in sizes.items() if size > _VOLUME_SIZE * usual and not (values[item] % 1).any()]
    if large:
        prices = next(item for item in columns if item not in large)
        grid.findings.note(
            f"read {len(assets)} columns as an asset each; {shown(large[0])} looks like a volume: if they are one "
            f"asset's, pass {name_it('close', prices)}."
        )


def _only_number(grid: Grid, columns: list[int]) -> int:
    """The only column of numbers that has no other meaning."""
    numeric = [at for at in columns if look_like_numbers(grid.columns[at]) and grid.names[at][0] != grid.options.item]
    if len(numeric) != 1:
        _refuse_without_close(grid, numeric)
    grid.findings.note(f"took column {shown(grid.names[numeric[0]][0])} as close.")
    return numeric[0]


def _refuse_without_close(grid: Grid, numeric: list[int]) -> None:
    likely = grid.names[numeric[0]][0] if numeric else "COLUMN"
    raise UnreadableSource(
        f"a table needs prices; no price column among {column_names(grid)}. Name a column 'close' (or adj_close, "
        f"price, last, y), give a numeric column per asset, or pass {name_it('close', likely)}."
    )


def _two_levels(grid: Grid, rest: list[int]) -> Assets:
    """Two header rows, as yfinance writes them: the field and the asset, in either order."""
    pairs = {at: grid.names[at] for at in rest if len(grid.names[at]) > 1}
    share = [sum(bool(set(kinds(key(pair[level]))) & set(FIELDS)) for pair in pairs.values()) for level in (0, 1)]
    field_level = int(share[1] > share[0])
    wanted = {key(word): field for field, word in grid.options.columns().items() if field not in ("date", "item")}
    items: dict[str, dict[int, str]] = {}
    for at, pair in pairs.items():
        items.setdefault(clean(pair[1 - field_level]), {})[at] = key(pair[field_level])
    found = {
        item: _fields(grid, names, {wanted[name]: at for at, name in names.items() if name in wanted})
        for item, names in items.items()
    }
    assets = {item: fields for item, fields in found.items() if "close" in fields}
    if not assets:
        raise UnreadableSource(
            f"a table needs prices; no price column among {column_names(grid)}. Name a column 'Close' for each asset, "
            f"or pass {name_it('close', next(iter(pairs.values()))[field_level])}."
        )
    return assets
