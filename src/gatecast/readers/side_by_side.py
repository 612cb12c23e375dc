"""Tables side by side in a sheet, each with its own column of dates, as one long table with a column of assets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gatecast.errors import UnreadableSource
from gatecast.readers.cells import Grid, matches, text_column
from gatecast.readers.names import FIELDS, key, kinds, known
from gatecast.text import clean, shown


def filled_on(row: Sequence[str]) -> list[str]:
    """A row with each blank cell as the one before it: a name over merged cells stands in the first.

    >>> filled_on(["", "AAPL", "", "MSFT"])
    ['', 'AAPL', 'AAPL', 'MSFT']
    """
    filled: list[str] = []
    for cell in row:
        filled.append(cell or (filled[-1] if filled else ""))
    return filled


def blocks_of_assets(grid: Grid, upper: Sequence[str], lower: Sequence[str], rows: int) -> Grid | None:
    """The blocks below a row of assets and a row of names, which begins anew with each word for dates; or None.

    `rows`: how many rows stand above the prices. Raises `UnreadableSource` where the assets have no names.
    """
    dates = [at for at, name in enumerate(lower) if name and key(name) in known("date")]
    fields = [word for name in lower if set(kinds(word := key(name))) & set(FIELDS)]
    if len(dates) < 2 or len({lower[at] for at in dates}) > 1 or len(set(fields)) == len(fields):
        return None
    blocks = [range(at, end) for at, end in zip(dates, (*dates[1:], len(lower)), strict=True)]
    named = [[at for at in block if lower[at]] for block in blocks]
    labels = [next((clean(upper[at]) for at in block if upper[at]), "") for block in blocks]
    if "" in labels or len(set(labels)) < len(labels):
        raise UnreadableSource(
            f"a table has one column of dates, or a name above each; this one has {len(dates)} columns "
            f"{shown(lower[dates[0]])}. Write each asset's name above its dates, or give a file for each."
        )
    names = list(dict.fromkeys(lower[at] for block in named for at in block))
    parts = [_part(grid, {lower[at]: at for at in block}, names, rows) for block in named]
    items = text_column([label for label, (_, lines) in zip(labels, parts, strict=True) for _ in lines])
    columns = [
        pa.chunked_array([chunk for cells, _ in parts for chunk in cells[at].chunks], type=pa.large_string())
        for at in range(len(names))
    ]
    lines = np.concatenate([lines for _, lines in parts])
    grid.findings.note(f"read {len(labels)} tables side by side, an asset each.")
    return replace(
        grid, names=tuple((clean(name),) for name in (*names, "symbol")), columns=(*columns, items), lines=lines
    )


def _part(
    grid: Grid, columns: dict[str, int], names: Sequence[str], rows: int
) -> tuple[list[pa.ChunkedArray], np.ndarray]:
    """The cells of a block by name, without the rows below its last, and their lines."""
    lines = np.asarray(grid.lines)[rows:]
    cells = [
        grid.columns[columns[name]][rows:] if name in columns else text_column([""] * len(lines)) for name in names
    ]
    filled = np.any([matches(cell, r"\S") for cell in cells], axis=0)
    keep = pa.array(filled)
    return [pc.filter(cell, keep) for cell in cells], lines[filled]
