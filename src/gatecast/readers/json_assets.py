"""Nested rows and several tables of a JSON document as one table: prices in an object, an asset per table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, TypeAlias

import pandas as pd

from gatecast.errors import UnreadableSource
from gatecast.readers.names import FIELDS, key, kinds, known
from gatecast.text import listed, shown

Table: TypeAlias = pd.DataFrame | list[list[object]]  # rows without names are lists

_NO_PRICES = re.compile(r"dividend|split|event|action|earning", re.IGNORECASE)  # of tables that are no asset's
_LETTERS = {"o": "open", "h": "high", "l": "low", "c": "close"}


def flat_rows(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows with the cells of nested objects as their own: `{"mid": {"c": 1.1}}` has a column `c`.

    Where two objects have cells of the same name, as those of bid and ask, it follows that of the object: `bid close`.
    """
    if not any(isinstance(cell, dict) for row in rows for cell in row.values()):
        return rows
    paths = dict.fromkeys(path for row in rows for path, _ in _cells(row, ()))
    ends = [path[-1] for path in paths]
    names = {
        path: path[-1] if ends.count(path[-1]) == 1 else " ".join((*path[-2:-1], _LETTERS.get(path[-1], path[-1])))
        for path in paths
    }
    return [{names[path]: cell for path, cell in _cells(row, ())} for row in rows]


def _cells(row: dict[str, Any], above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, cell in row.items():
        if isinstance(cell, dict) and (value := wrapped(cell)) is not None:
            yield (*above, name), value
        elif isinstance(cell, dict):
            yield from _cells(cell, (*above, name))
        else:
            yield (*above, name), cell


def wrapped(cell: dict[str, Any]) -> Any:
    """The value of a cell that says its type or spelling as well: `{"$date": ...}`, `{"raw": 1, "fmt": "1.00"}`."""
    first = next(iter(cell), "")
    value = cell[first] if len(cell) == 1 and first.startswith("$") else cell.get("raw") if "fmt" in cell else None
    return None if isinstance(value, list | dict) else value


def joined_tables(tables: list[tuple[str, Table]]) -> Table | None:
    """Tables of several assets as one whose column "symbol" names them; None where they are not that.

    Raises `UnreadableSource` where the assets have no names, or the columns.
    """
    histories = [(name, frame) for name, table in tables if (frame := _history(name, table)) is not None]
    if len(histories) > 1:
        _check_names([name for name, _ in histories], histories[0][1])
        return pd.concat([_with_asset(name, frame) for name, frame in histories], ignore_index=True)
    unnamed = [(name, table) for name, table in tables if isinstance(table, list) and len(table) > 1]
    if len(unnamed) < 2 or len({len(table[0]) for _, table in unnamed}) > 1:
        return None
    if len(unnamed[0][1][0]) == 2:
        return _by_time(unnamed)
    names = listed([shown(name) for name, _ in unnamed], 6)
    raise UnreadableSource(
        f"a source has one table, or several whose columns have names; {names} have none. Give one of them."
    )


def _history(title: str, table: Table) -> pd.DataFrame | None:
    """A table with its dates as a column where it has dates and prices."""
    if not isinstance(table, pd.DataFrame) or _NO_PRICES.search(title):
        return None
    if not isinstance(table.index, pd.RangeIndex):
        name = "date" if "date" not in table.columns else "index"
        table = table.rename_axis(index=name).reset_index()
    names = [key(str(label)) for label in table.columns]
    dated = any(word in known("date") or word == "t" for word in names)
    return table if dated and any(set(kinds(word)) & set(FIELDS) - {"volume"} for word in names) else None


def _check_names(names: list[str], table: pd.DataFrame) -> None:
    if _has_item(table) or (all(names) and len(set(names)) == len(names)):
        return
    raise UnreadableSource(
        f'each asset needs a name of its own; {len(names)} tables of this JSON have none, or one twice. Add a "symbol" '
        "to each, or give one of them."
    )


def _has_item(table: pd.DataFrame) -> bool:
    return any(key(str(label)) in known("item") for label in table.columns)


def _with_asset(name: str, table: pd.DataFrame) -> pd.DataFrame:
    return table if _has_item(table) else table.assign(symbol=name)


def _by_time(tables: list[tuple[str, list[list[object]]]]) -> pd.DataFrame | None:
    """Pairs of a time and a number as a column each, as CoinGecko gives prices and volumes."""
    if not all(isinstance(cell, int | float) for _, rows in tables for cell in rows[0]):
        return None
    columns = [pd.Series({row[0]: row[1] for row in rows}, name=name, dtype=float) for name, rows in tables]
    return pd.concat(columns, axis=1).sort_index().rename_axis(index="date").reset_index()
