"""Assets without a common date: a column whose every value has a block of rows, and whose blocks begin anew in time."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gatecast.errors import UnreadableSource
from gatecast.readers.cells import Grid, matches
from gatecast.readers.choices import name_it
from gatecast.readers.dates import parse_dates
from gatecast.readers.findings import Findings
from gatecast.readers.names import is_weak_item
from gatecast.text import shown

_FEWEST = 5  # rows of a block; fewer may be errors of one asset
_LONG = 10  # usual steps from row to row; a longer one between blocks is a gap that no holiday explains


def asset_of_blocks(grid: Grid, date: int, columns: Sequence[int]) -> int | None:
    """The column of these that is called as assets often are and has a block of rows for each, or None.

    Blocks begin anew where the dates of two overlap, or where a long gap lies between them: a share that was only
    renamed goes on the next day. Raises `UnreadableSource` where a column of any other name looks so.
    """
    for at in columns:
        starts = _blocks(grid, at)
        if starts is None or not _begin_anew(grid, date, starts):
            continue
        name = grid.names[at][0]
        column = grid.columns[at]
        first, second = (shown(str(column[int(row)])) for row in starts[:2])
        if is_weak_item(name):
            grid.findings.note(
                f"took column {shown(name)} as the asset: the rows of {first} and {second} stand apart in time or "
                "overlap."
            )
            return at
        raise UnreadableSource(
            f"rows of several assets need a column that names the asset; column {shown(name)} has {first} above "
            f"{second}, whose dates do not follow on. Pass {name_it('item', name)}, or remove that column if all rows "
            "are of one asset."
        )
    return None


def _blocks(grid: Grid, at: int) -> np.ndarray | None:
    """The first row of each value of a column of words; None where a value comes in several places."""
    column = grid.columns[at]
    if not isinstance(column, pa.ChunkedArray) or matches(column[:1000], r"^\s*[-+]?[\d.,:/ -]+\s*$").mean() > 0.5:
        return None
    codes = pc.utf8_trim_whitespace(column).combine_chunks().dictionary_encode()
    if not 2 <= len(codes.dictionary) <= len(grid) // _FEWEST or "" in codes.dictionary.to_pylist():
        return None
    starts = np.flatnonzero(np.diff(codes.indices.to_numpy(), prepend=-1))
    if len(starts) > len(codes.dictionary) or np.diff(starts, append=len(grid)).min() < _FEWEST:
        return None
    return starts


def _begin_anew(grid: Grid, date: int, starts: np.ndarray) -> bool:
    """Whether at least half of the blocks overlap the block before them in time, or lie a long gap from it."""
    with suppress(UnreadableSource):
        column, name = grid.columns[date], grid.names[date][0]
        stamps = parse_dates(column, name, Findings(), day_first=grid.options.day_first).stamps.astype("datetime64[s]")
        parts = [part[~np.isnat(part)].astype(np.int64) for part in np.split(stamps, starts[1:])]
        spans = sorted((int(part.min()), int(part.max())) for part in parts if len(part))
        steps = np.concatenate([np.diff(np.unique(part)) for part in parts])
        if len(spans) < 2 or not len(steps):
            return False
        least = _LONG * float(np.median(steps))
        lasts = np.maximum.accumulate([last for _, last in spans])
        apart = [first - int(last) for (first, _), last in zip(spans[1:], lasts, strict=False)]
        return 2 * sum(gap <= 0 or gap > least for gap in apart) >= len(apart)
    return False
