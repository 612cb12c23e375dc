"""JSON as a table: rows or columns, at the top or inside an answer of a web service."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd

from gatecast.errors import UnreadableSource
from gatecast.readers.findings import Findings
from gatecast.readers.json_assets import Table, flat_rows, joined_tables, wrapped
from gatecast.readers.names import FIELDS, key, kinds, known
from gatecast.text import clean, counted, listed, shown

_DEEPEST = 6  # levels of an answer that are searched for a table
_DAY = r"\d{4}-?\d\d-?\d\d|\d{10,13}(,|$)"  # how a date or a count since 1970 begins


def looks_like_json(text: str) -> bool:
    """Whether a text begins as JSON does, in a call or bare; a CSV header in brackets is left to the CSV reader."""
    start = _without_call(text[:1000]).split()
    return bool(start) and ("".join(start)[:2] in ("[{", "[[", '{"', "{}", "[]", "{'") or start[0] in ("[", "{"))


def json_table(text: str, name: str, findings: Findings) -> Table:
    """A frame of the rows or columns, or rows whose columns have no names; raises `UnreadableSource`.

    Tables of several assets are joined, and the column "symbol" holds their names.

    >>> json_table('{"date": ["2024-01-02", "2024-01-03"], "close": [1.5, 2.5]}', "a.json", Findings()).shape
    (2, 2)
    """
    repeated: Counter[str] = Counter()
    document = _document(text, name, repeated)
    for label, times in repeated.items():
        findings.note(f"kept the first of {times} values named {shown(label)} in an object of JSON.")
    try:
        table = _table(document, 0)
    except UnicodeEncodeError:
        raise UnreadableSource(
            f"a text in JSON is whole characters; {name} has half of one, such as \\ud800. Correct it."
        ) from None
    except (ValueError, TypeError, RecursionError, OverflowError) as error:
        raise UnreadableSource(
            f"each row of JSON has a cell for each column; {name} has others ({clean(error, 80)}). Correct it."
        ) from None
    if table is None:
        raise UnreadableSource(
            f'JSON must hold rows, as in [{{"date": ..., "close": ...}}], or columns of one length; {name} has '
            f"{_what_it_has(document)}. Correct it, or export it as CSV."
        )
    return table


def _document(text: str, name: str, repeated: Counter[str]) -> Any:
    """What a text of JSON says; `repeated` counts the names that stand twice in an object."""

    def first_of_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            first = dict(reversed(pairs))
            found = {label: first[label] for label in found}
            for label, times in Counter(label for label, _ in pairs).items():
                if times > 1:
                    repeated[label] = max(repeated[label], times)
        return found

    try:
        return _parsed(_without_call(text), first_of_each)
    except json.JSONDecodeError:
        raise UnreadableSource(f"{name} is damaged JSON. Download it again.") from None
    except RecursionError:
        raise UnreadableSource(
            f"a table stands near the top of JSON; {name} is too deeply nested. Correct it."
        ) from None
    except ValueError:  # of a number
        most = sys.get_int_max_str_digits()
        raise UnreadableSource(
            f"a number in JSON has at most {most:,} digits; {name} has a longer one. Correct it."
        ) from None


def _what_it_has(document: Any) -> str:
    """What stands where a table is looked for, for a message."""
    if isinstance(document, dict):
        lengths = {label: len(cells) for label, cells in document.items() if isinstance(cells, list)}
        if len(set(lengths.values())) > 1:
            return listed([f"{counted(length, 'cell')} in {shown(label)}" for label, length in lengths.items()], 6)
    if isinstance(document, list):
        rows = [isinstance(row, dict | list) for row in document]
        if any(rows) and not all(rows):
            other = rows.index(False)
            return f"{shown(document[other])} in place of row {other + 1}"
    return "neither"


def _without_call(text: str) -> str:
    """The argument of the call that JSONP wraps around a document: `callback({...});`."""
    call = re.match(r"\s*[A-Za-z_$][\w.$]*\(\s*(?=[\[{])", text)
    return text[call.end() :].rstrip().rstrip(";").rstrip().removesuffix(")") if call else text


def _parsed(text: str, object_of: Callable[[list[tuple[str, Any]]], dict[str, Any]]) -> Any:
    """A document, or the documents of as many lines (JSON Lines)."""
    try:
        return json.loads(text, object_pairs_hook=object_of)
    except json.JSONDecodeError:
        return [json.loads(line, object_pairs_hook=object_of) for line in text.splitlines() if line.strip()]


def _table(value: Any, depth: int) -> Table | None:
    """The table that a value is, or those inside it: the longest one, or all where they are of several assets."""
    if depth > _DEEPEST or not value or not isinstance(value, list | dict):
        return None
    table = _table_of_list(value, depth) if isinstance(value, list) else _table_of_object(value, depth)
    lists = _frame_of_lists(value)
    return lists if lists is not None and (table is None or _widens(lists, table)) else table


def _table_of_list(value: list[Any], depth: int) -> Table | None:
    if all(isinstance(row, dict) for row in value) and any(map(_is_cell, value[0].values())):
        if not _holds_table(value[0]):
            rows = flat_rows(value)
            return pd.DataFrame.from_records(rows) if len(value) > 1 or depth else _table(value[0], depth + 1)
        return _inside([(_asset_of(row), row) for row in value], depth)
    if all(isinstance(row, list) for row in value) and len({len(row) for row in value}) == 1:
        return value
    if len(value) > 1 and all(isinstance(row, str) and re.match(_DAY, row) for row in value):
        texts: list[list[object]] = [row.split(",") for row in value]  # Eastmoney: a row is a text
        return texts if len(texts[0]) > 1 and len({len(row) for row in texts}) == 1 else None
    return _inside([(_asset_of(row), row) for row in value], depth)


def _table_of_object(value: dict[str, Any], depth: int) -> Table | None:
    columns, rows = value.get("columns"), value.get("data")
    if isinstance(columns, list) and isinstance(rows, list) and all(isinstance(row, list) for row in rows):
        return _without_row_numbers(pd.DataFrame(rows, columns=columns, index=value.get("index")))
    cells = list(value.values())
    if all(isinstance(cell, list) and all(map(_scalar, cell)) for cell in cells) and len(set(map(len, cells))) == 1:
        return pd.DataFrame(value) if len(cells) > 1 and len(cells[0]) else None
    if all(isinstance(cell, dict) and cell and all(map(_scalar, cell.values())) for cell in cells):
        return _frame_of_objects(value)
    if len(value) > 1 and all(map(_scalar, cells)) and all(re.match(_DAY, name) for name in value):
        return pd.DataFrame({"date": list(value), "close": cells})
    return _inside(list(value.items()), depth)


def _inside(named: list[tuple[str, Any]], depth: int) -> Table | None:
    """The longest table in the named values; those of several assets, or with the same dates, as one."""
    tables = [(name, table) for name, value in named if (table := _table(value, depth + 1)) is not None]
    if len(tables) > 1 and (joined := joined_tables(tables)) is not None:
        return joined
    return max((table for _, table in tables), key=len, default=None)


def _holds_table(row: dict[str, Any]) -> bool:
    """Whether an object is not a row but holds rows, or columns of equal length."""
    scalars = [set(kinds(key(name))) for name, cell in row.items() if _scalar(cell)]
    if any("date" in kind for kind in scalars) and any(kind & set(FIELDS) for kind in scalars):
        return False
    lists = [cell for cell in row.values() if isinstance(cell, list) and len(cell) > 1]
    lengths = [len(cell) for cell in lists]
    return any(not _scalar(cell[0]) for cell in lists) or len(set(lengths)) < len(lengths)


def _asset_of(value: Any) -> str:
    """What the table in a value is a history of, where the value says it: its first symbol, or its only name."""
    if not isinstance(value, dict):
        return ""
    if len(value) == 1 and isinstance(next(iter(value.values())), dict | list):
        return str(next(iter(value)))
    items = {key(name): cell for name, cell in value.items() if isinstance(cell, str) and cell}
    said = next((items[name] for name in (*known("item"), "code", "name", "id") if name in items), "")
    return said or next((found for cell in value.values() if (found := _asset_of_inner(cell))), "")


def _asset_of_inner(value: Any) -> str:
    """The symbol in an object of scalars, as `"meta": {"symbol": "AAPL"}` holds it."""
    return _asset_of(value) if isinstance(value, dict) and all(map(_scalar, value.values())) else ""


def _is_cell(cell: object) -> bool:
    return _scalar(cell) or (isinstance(cell, dict) and wrapped(cell) is not None)


def _scalar(cell: object) -> bool:
    return not isinstance(cell, list | dict)


def _frame_of_objects(value: dict[str, dict[str, object]]) -> pd.DataFrame | None:
    """Objects in an object: rows by date, or columns by field; there are more rows than columns in a history."""
    inner = {name for cell in value.values() for name in cell}
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


def _widens(lists: pd.DataFrame, table: Table) -> bool:
    """Whether the lists of a document hold a table's rows with more columns: prices here, their times elsewhere."""
    return isinstance(table, pd.DataFrame) and len(lists) == len(table) and lists.shape[1] > table.shape[1]


def _named_lists(name: str, value: Any, depth: int) -> Iterator[tuple[str, list[object]]]:
    if depth > 2 * _DEEPEST:
        return
    if isinstance(value, dict):
        for label, cell in value.items():
            yield from _named_lists(label, cell, depth + 1)
    elif isinstance(value, list) and all(map(_scalar, value)):
        yield name, value
    elif isinstance(value, list):
        for cell in value:
            yield from _named_lists(name, cell, depth + 1)
