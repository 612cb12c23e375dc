"""JSON as a table: rows or columns, at the top or inside an answer of a web service."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pandas as pd

from gatecast.errors import UnreadableSource

_DEEPEST = 6  # levels of an answer that are searched for a table


def looks_like_json(text: str) -> bool:
    """Whether a text begins as JSON does; a CSV header in brackets is left to the CSV reader."""
    start = text[:1000].split()
    return bool(start) and ("".join(start)[:2] in ("[{", "[[", '{"', "{}", "[]", "{'") or start[0] in ("[", "{"))


def json_table(text: str, name: str) -> pd.DataFrame | list[list[object]]:
    """A frame of the rows or columns, or rows whose columns have no names; raises `UnreadableSource`.

    >>> json_table('{"date": ["2024-01-02", "2024-01-03"], "close": [1.5, 2.5]}', "a.json").shape
    (2, 2)
    """
    try:
        document = _parsed(text)
        table, lists = _table(document, 0), _frame_of_lists(document)
        if lists is not None and (table is None or _widens(lists, table)):
            table = lists
    except (ValueError, TypeError, RecursionError, OverflowError):
        raise UnreadableSource(f"{name} is damaged JSON. Download it again.") from None
    if table is None:
        raise UnreadableSource(
            f'JSON must hold rows, as in [{{"date": ..., "close": ...}}], or columns; {name} has neither. '
            "Export it as CSV."
        )
    return table


def _parsed(text: str) -> Any:
    """A document, or the documents of as many lines (JSON Lines)."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return [json.loads(line) for line in text.splitlines() if line.strip()]


def _table(value: Any, depth: int) -> pd.DataFrame | list[list[object]] | None:
    """The table that a value is, or the longest one inside it."""
    if depth > _DEEPEST or not value:
        return None
    if isinstance(value, list):
        return _table_of_list(value, depth)
    return _table_of_object(value, depth) if isinstance(value, dict) else None


def _table_of_list(value: list[Any], depth: int) -> pd.DataFrame | list[list[object]] | None:
    if all(isinstance(row, dict) for row in value) and any(map(_scalar, value[0].values())):
        return pd.DataFrame.from_records(value) if len(value) > 1 or depth else _table(value[0], depth + 1)
    if all(isinstance(row, list) for row in value) and len({len(row) for row in value}) == 1:
        return value
    return _longest(value, depth)


def _table_of_object(value: dict[str, Any], depth: int) -> pd.DataFrame | list[list[object]] | None:
    columns, rows = value.get("columns"), value.get("data")
    if isinstance(columns, list) and isinstance(rows, list) and all(isinstance(row, list) for row in rows):
        return _without_row_numbers(pd.DataFrame(rows, columns=columns, index=value.get("index")))
    cells = list(value.values())
    if all(isinstance(cell, list) and all(map(_scalar, cell)) for cell in cells) and len(set(map(len, cells))) == 1:
        return pd.DataFrame(value) if len(cells) > 1 and len(cells[0]) else None
    if all(isinstance(cell, dict) and cell and all(map(_scalar, cell.values())) for cell in cells):
        return _frame_of_objects(value)
    return _longest(cells, depth)


def _scalar(cell: object) -> bool:
    return not isinstance(cell, list | dict)


def _longest(values: list[Any], depth: int) -> pd.DataFrame | list[list[object]] | None:
    tables = [table for value in values if (table := _table(value, depth + 1)) is not None]
    return max(tables, key=len, default=None)


def _frame_of_objects(value: dict[str, dict[str, object]]) -> pd.DataFrame | None:
    """Objects in an object: rows by date, or columns by field; there are more rows than columns in a history."""
    inner = {key for cell in value.values() for key in cell}
    if len(value) == 1 and len(inner) == 1:
        return None
    return _without_row_numbers(pd.DataFrame.from_dict(value, orient="index" if len(value) > len(inner) else "columns"))


def _without_row_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame without an index that only counts its rows; any other index is a column of its own."""
    counts = [str(label) for label in frame.index] == [str(row) for row in range(len(frame))]
    return frame.reset_index(drop=True) if counts else frame


def _frame_of_lists(document: Any) -> pd.DataFrame | None:
    """Lists of equal length anywhere in a document are columns, as Yahoo's web service gives them."""
    lists = dict(_named_lists("", document, 0))
    lengths = Counter(len(cells) for cells in lists.values() if len(cells) > 1)
    if not lengths:
        return None
    usual, columns = lengths.most_common(1)[0]
    return pd.DataFrame({name: cells for name, cells in lists.items() if len(cells) == usual}) if columns > 1 else None


def _widens(lists: pd.DataFrame, table: pd.DataFrame | list[list[object]]) -> bool:
    """Whether the lists of a document hold a table's rows with more columns: prices here, their times elsewhere."""
    return isinstance(table, pd.DataFrame) and len(lists) == len(table) and lists.shape[1] > table.shape[1]


def _named_lists(name: str, value: Any, depth: int) -> Iterator[tuple[str, list[object]]]:
    if depth > 2 * _DEEPEST:
        return
    if isinstance(value, dict):
        for key, cell in value.items():
            yield from _named_lists(key, cell, depth + 1)
    elif isinstance(value, list) and all(map(_scalar, value)):
        yield name, value
    elif isinstance(value, list):
        for cell in value:
            yield from _named_lists(name, cell, depth + 1)
