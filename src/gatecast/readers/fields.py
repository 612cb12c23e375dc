"""Which column is close, open, high, low and volume by its name; what is left out is noted."""

from __future__ import annotations

from functools import partial
from typing import TypeAlias

import numpy as np

from gatecast.errors import UnreadableSource
from gatecast.readers.cells import Grid, matches
from gatecast.readers.choices import name_it
from gatecast.readers.date_columns import column_names
from gatecast.readers.names import FIELDS, is_money, key, kinds, known, normalized
from gatecast.readers.numbers import look_like_numbers
from gatecast.text import listed, shown

Fields: TypeAlias = dict[str, int]  # {field: column}
Assets: TypeAlias = dict[str, Fields]  # {item id: its fields}


def fields_by_name(grid: Grid, names: dict[int, str], chosen: Fields) -> Fields:
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
        if field == "volume":  # shares before money
            columns.update((word, sorted(columns[word], key=partial(_is_money, grid))) for word in words)
            words.sort(key=lambda word: _is_money(grid, columns[word][0]))
        # A lone C or V is a ticker, and a y is a price where Nixtla's other names are.
        words = [word for word in words if len(word) > 1 or not word.isascii() or (nixtla if word == "y" else letters)]
        if field == "volume":
            words = _with_trades(grid, columns, words)
        if words:
            same = sorted(columns[words[0]], key=lambda at: normalized(grid.names[at][0]) != words[0])
            if field == "volume":
                same = columns[words[0]]
            if len(same) > 1:
                _note_same(grid, field, same)
            fields[field] = same[0]
    if "volume" not in fields and "close" in fields:
        volume = [at for at, name in names.items() if name.startswith("volume") and at not in fields.values()]
        if volume:
            fields["volume"] = volume[0]
    if "close" not in fields and "adj_close" in fields:
        fields["close"] = fields.pop("adj_close")
    return fields


def _is_money(grid: Grid, at: int) -> bool:
    return is_money("/".join(grid.names[at]))


def _note_same(grid: Grid, field: str, same: list[int]) -> None:
    labels = [shown("/".join(grid.names[at])) for at in same]
    if len(set(labels)) == 1:
        grid.findings.note(f"kept the first of {len(same)} columns named {labels[0]}.")
    else:
        grid.findings.note(f"took column {labels[0]} as {field}, not {listed(labels[1:], 3)}.")


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


def note_ignored(grid: Grid, columns: list[int]) -> None:
    """Name the columns that are left out."""
    columns = [at for at in columns if grid.names[at][0]]
    labels = [shown(grid.names[at][0]) for at in columns]
    if labels:
        numbers = any(look_like_numbers(grid.columns[at][:1000]) for at in columns)
        what = "the other columns" if numbers else "columns that hold no prices"
        grid.findings.note(f"ignored {what}: {listed(labels, 6)}.")


def refuse_without_close(grid: Grid, numeric: list[int]) -> None:
    """Refuse a table without prices; `numeric`: columns that could be the close, the likeliest first."""
    for what, name in grid.options.columns().items():
        if "close" in kinds(key(name)) and what not in ("date", "item", "close"):
            raise UnreadableSource(
                f"a table needs a close; {shown(name)} was given as the {what}, and no other column is known to be "
                f"one. Name another column as the {what}, or none."
            )
    numeric = [at for at in numeric if "volume" not in kinds(key(grid.names[at][0]))]
    ways = ["Name a column 'close' (or adj_close, price, last, y)", "give a numeric column per asset"]
    if numeric:
        ways.append(f"pass {name_it('close', grid.names[numeric[0]][0])}")
    remedy = f"{', '.join(ways[:-1])}, or {ways[-1]}" if len(ways) > 2 else " or ".join(ways)
    raise UnreadableSource(f"a table needs prices; no price column among {column_names(grid)}. {remedy}.")
