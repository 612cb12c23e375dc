"""Reads a large CSV file block by block into floats and timestamps, so that its text is never in memory as a whole."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from gatecast.errors import UnreadableSource
from gatecast.readers.cells import MAX_ROWS, Column, Grid, read_cells
from gatecast.readers.choices import ReadOptions
from gatecast.readers.findings import Findings
from gatecast.readers.headers import with_header
from gatecast.text import clean


@dataclass(frozen=True, kw_only=True)
class ReadProgress:
    """How many bytes of a large file are read, of how many."""

    done: int
    total: int


Progress: TypeAlias = Callable[[ReadProgress], None]

_HEAD = 1 << 20  # bytes that show header, separator and columns
_BLOCK = 1 << 19  # bytes of the file that are parsed at a time; arrow reads many such blocks ahead


def read_large(
    path: Path, name: str, options: ReadOptions, findings: Findings, progress: Progress | None = None
) -> Grid | None:
    """The grid of a large CSV file, with its header as names; None where it is no plain CSV in UTF-8.

    Raises `UnreadableSource` where a line has too many cells, or the file too many rows.
    """
    size = os.stat(path).st_size
    with open(path, "rb") as stream:
        head = stream.read(_HEAD)
    head = head[: head.rfind(b"\n") + 1]
    try:
        head.decode("utf-8")
        cells = replace(read_cells(head, name, Findings()), options=options)
        named = with_header(cells)
    except (UnicodeDecodeError, UnreadableSource):
        return None  # what is wrong is said by the reader of smaller files
    width, above = len(cells.columns), len(cells) - len(named)
    if len(named.columns) != width:
        return None
    row = re.sub(rb'"[^"]*"', b"", head.splitlines()[above])
    separator = next((sign for sign in ",;\t|" if row.count(sign.encode()) == width - 1), None)
    if separator is None or width < 2:
        return None
    expected = min(int(1.1 * size / len(head) * len(cells)), MAX_ROWS)  # memory that stays unused is never taken
    columns = [_Growing(expected) for _ in range(width)]
    rows = 0
    try:
        for batch, read in _batches(path, separator, width, above):
            rows += len(batch)
            if rows > MAX_ROWS:
                raise UnreadableSource(f"a source holds at most {MAX_ROWS:,} rows; {name} has more. Split it.")
            for column, chunk in zip(columns, batch.columns, strict=True):
                column.add(chunk)
            if progress is not None:
                progress(ReadProgress(done=min(read, size), total=size))
    except pa.ArrowInvalid as error:
        raise UnreadableSource(f"{name} can't be read as a table: {clean(error, 100)}. Correct that line.") from None
    if progress is not None:
        progress(ReadProgress(done=size, total=size))
    grid = with_header(replace(cells, findings=findings))  # for its notes
    whole = tuple(column.whole() for column in columns)
    pa.default_memory_pool().release_unused()  # of the blocks' text, more than the numbers take
    return replace(grid, columns=whole, lines=range(above + 1, above + 1 + rows))


def _batches(path: Path, separator: str, width: int, above: int) -> Iterator[tuple[pa.RecordBatch, int]]:
    """Blocks of rows as text, and how many bytes are read after each."""
    names = [str(at) for at in range(width)]
    with pa.OSFile(str(path)) as file:
        reader = csv.open_csv(
            file,
            read_options=csv.ReadOptions(block_size=_BLOCK, column_names=names, skip_rows=above, use_threads=False),
            parse_options=csv.ParseOptions(delimiter=separator),
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
            ),
        )
        for batch in reader:
            yield batch, file.tell()


class _Growing:
    """A column that grows by blocks: floats or timestamps while every block can be read so, else text."""

    def __init__(self, expected: int) -> None:
        self.expected = expected  # rows
        self.kind: pa.DataType | None = None
        self.values = np.empty(0)  # floats or timestamps; the first `rows` are filled
        self.rows = 0
        self.texts: list[pa.Array] = []

    def add(self, text: pa.Array) -> None:
        """Add the cells of a block."""
        for kind in (self.kind,) if self.kind is not None else (pa.float64(), pa.timestamp("us")):
            chunk = None if kind == pa.string() else _cast(text, kind)
            if chunk is not None:
                self.kind = kind
                self._append(chunk.to_numpy(zero_copy_only=False))
                return
        self.kind = pa.string()
        if self.rows:  # the blocks before become text as well
            self.texts.append(pc.fill_null(pc.cast(pa.array(self._filled(), from_pandas=True), pa.large_string()), ""))
            self.values, self.rows = np.empty(0), 0
        self.texts.append(pc.cast(text, pa.large_string()))

    def _append(self, numbers: np.ndarray) -> None:
        """Fill an array of the expected size or grow it: a list of blocks would be in memory twice when joined."""
        if not self.rows:
            self.values = np.empty(self.expected, dtype=numbers.dtype)
        end = self.rows + len(numbers)
        if end > len(self.values):
            self.values.resize(max(end, len(self.values) * 9 // 8), refcheck=False)
        self.values[self.rows : end] = numbers
        self.rows = end

    def _filled(self) -> np.ndarray:
        self.values.resize(self.rows, refcheck=False)
        return self.values

    def whole(self) -> Column:
        """The column as a grid holds it; numbers are read-only, so that a series need not copy them."""
        if self.kind == pa.string():
            return pa.chunked_array(self.texts)
        values = self._filled()
        if self.kind == pa.timestamp("us"):
            inside = values.min() > np.datetime64("1678-01-01") and values.max() < np.datetime64("2262-01-01")
            exact = values.view("datetime64[ns]" if inside else "datetime64[s]")
            for start in range(0, len(values), _BLOCK):
                exact[start : start + _BLOCK] = values[start : start + _BLOCK]
            values.flags.writeable, values = False, exact
        values.flags.writeable = False
        return values


def _cast(text: pa.Array, kind: pa.DataType) -> pa.Array | None:
    """The cells of a block as numbers or timestamps, blanks as nulls; None where a cell is neither."""
    try:
        chunk = pc.cast(pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text), kind)
    except pa.ArrowInvalid:
        return None
    if kind == pa.float64():
        return chunk if pc.all(pc.is_finite(chunk)).as_py() is not False else None
    return chunk
