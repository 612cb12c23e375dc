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
_BLOCK = 1 << 24  # bytes of the file in memory at a time


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
    columns = [_Growing() for _ in range(width)]
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
    lines = np.arange(above + 1, above + 1 + rows)
    grid = with_header(replace(cells, findings=findings))  # for its notes
    whole = tuple(column.whole() for column in columns)
    pa.default_memory_pool().release_unused()  # of the blocks' text, more than the numbers take
    return replace(grid, columns=whole, lines=lines)


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
    """A column that grows by chunks: floats or timestamps while every chunk can be read so, else text."""

    def __init__(self) -> None:
        self.chunks: list[pa.Array] = []
        self.kind: pa.DataType | None = None

    def add(self, text: pa.Array) -> None:
        """Add the cells of a block."""
        for kind in (self.kind,) if self.kind is not None else (pa.float64(), pa.timestamp("us"), pa.string()):
            chunk = _cast(text, kind)
            if chunk is not None:
                self.kind = kind
                self.chunks.append(chunk)
                return
        self.kind = pa.string()  # `whole` makes text of the chunks before
        self.chunks.append(text)

    def whole(self) -> Column:
        """The column as a grid holds it; its chunks are given up, so that memory holds few columns twice."""
        chunks, self.chunks = self.chunks, []
        if self.kind == pa.float64():
            return np.concatenate([chunk.to_numpy(zero_copy_only=False) for chunk in chunks])
        if self.kind == pa.timestamp("us"):
            stamps = np.concatenate([chunk.to_numpy(zero_copy_only=False) for chunk in chunks])
            inside = ((stamps > np.datetime64("1678-01-01")) & (stamps < np.datetime64("2262-01-01"))).all()
            return stamps.astype("datetime64[ns]") if inside else stamps.astype("datetime64[s]")
        return pa.chunked_array([pc.fill_null(pc.cast(chunk, pa.large_string()), "") for chunk in chunks])


def _cast(text: pa.Array, kind: pa.DataType) -> pa.Array | None:
    """The cells of a block as numbers or timestamps, blanks as nulls; None where a cell is neither."""
    if kind == pa.string():
        return text
    try:
        chunk = pc.cast(pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text), kind)
    except pa.ArrowInvalid:
        return None
    if kind == pa.float64():
        return chunk if pc.all(pc.is_finite(chunk)).as_py() is not False else None
    return chunk
