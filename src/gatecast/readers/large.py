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
from gatecast.readers.endings import cut_off
from gatecast.readers.findings import Findings
from gatecast.readers.headers import with_header
from gatecast.readers.sources import FORMATS


@dataclass(frozen=True, kw_only=True)
class ReadProgress:
    """How many bytes of a large file are read, of how many."""

    done: int
    total: int


Progress: TypeAlias = Callable[[ReadProgress], None]

_HEAD = 1 << 20  # bytes that show header, separator and columns
_BLOCK = 1 << 19  # bytes of the file that are parsed at a time; arrow reads many such blocks ahead
_CELLS = 1 << 12  # bytes of a column in a block, at least: each of a wide table's columns costs time in every block
_TAIL = 1 << 16  # bytes at the end, which hold the last line


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
    lines = _Lines(path, name, width)
    try:
        for batch, read in _batches(path, separator, width, above, lines):
            rows += len(batch)
            if rows > MAX_ROWS:
                raise UnreadableSource(f"a source holds at most {MAX_ROWS:,} rows; {name} has more. Split it.")
            for column, chunk in zip(columns, batch.columns, strict=True):
                if not column.add(chunk) and pc.any(pc.match_substring(chunk, "\0")).as_py():
                    raise UnreadableSource(
                        f"a source is {FORMATS}; {name} holds binary data after line {above + rows - len(batch)}. "
                        "Download it again, or correct that line."
                    )
            if progress is not None:
                progress(ReadProgress(done=min(read, size), total=size))
    except pa.ArrowInvalid as error:
        raise lines.refusal(str(error), above + rows) from None
    if progress is not None:
        progress(ReadProgress(done=size, total=size))
    grid = with_header(replace(cells, findings=findings))  # for its notes
    if lines.cut_off is not None:
        findings.note(lines.cut_off)
    whole = tuple(column.whole() for column in columns)
    pa.default_memory_pool().release_unused()  # of the blocks' text, more than the numbers take
    return replace(grid, columns=whole, lines=lines.numbers(above, rows), ended=lines.ended or bool(lines.cut_off))


class _Lines:
    """Lines of a large file that hold no row: blank ones, a last one that was cut off, and one that is refused."""

    def __init__(self, path: Path, name: str, width: int) -> None:
        self.name, self.width = name, width
        self.blank: list[int] = []
        self.cut_off: str | None = None  # the note that tells of it
        self.wrong: csv.InvalidRow | None = None
        with open(path, "rb") as stream:
            stream.seek(max(0, os.stat(path).st_size - _TAIL))
            self._last = stream.read().rpartition(b"\n")[2].decode("utf-8", "replace")
        self.ended = not self._last

    def judge(self, row: csv.InvalidRow) -> str:
        """What arrow should do with a line that has not the header's number of cells."""
        if not row.text.strip():
            self.blank.append(row.number)
        elif row.text == self._last and row.actual_columns < self.width and row.text[:1].isdigit():
            self.cut_off = cut_off(row.number, row.text, row.actual_columns, self.width)
        else:
            self.wrong = row
            return "error"
        return "skip"

    def numbers(self, above: int, rows: int) -> np.ndarray | range:
        """The line of each row."""
        if not self.blank:
            return range(above + 1, above + 1 + rows)
        every = np.arange(above + 1, above + 1 + rows + len(self.blank))
        return np.delete(every, np.array(self.blank) - above - 1)

    def refusal(self, error: str, read: int) -> UnreadableSource:
        """Why a line can't be read; `read`: how many lines were."""
        if self.wrong is not None:
            few = self.wrong.actual_columns < self.width
            rule = f"a line of a large file has the header's {self.width} cells"
            rule = rule if few else f"a line has at most the header's {self.width} cells"
            where = f"line {self.wrong.number} of {self.name} has {self.wrong.actual_columns}"
            return UnreadableSource(f"{rule}; {where}. Quote or correct it.")
        if "UTF" in error:
            return UnreadableSource(
                f"a large file is UTF-8; {self.name} is not, somewhere after line {read}. Save it again as UTF-8."
            )
        return UnreadableSource(
            f"a cell of a large file ends on its line; {self.name} has a quote that is open at a line's end, somewhere "
            f"after line {read}. Correct it."
        )


def _batches(path: Path, separator: str, width: int, above: int, lines: _Lines) -> Iterator[tuple[pa.RecordBatch, int]]:
    """Blocks of rows as text, and how many bytes are read after each."""
    names, block = [str(at) for at in range(width)], max(_BLOCK, _CELLS * width)
    with pa.OSFile(str(path)) as file:
        reader = csv.open_csv(
            file,
            read_options=csv.ReadOptions(block_size=block, column_names=names, skip_rows=above, use_threads=False),
            parse_options=csv.ParseOptions(
                delimiter=separator, ignore_empty_lines=False, invalid_row_handler=lines.judge
            ),
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

    def add(self, text: pa.Array) -> bool:
        """Add the cells of a block; say whether they are numbers or timestamps."""
        for kind in (self.kind,) if self.kind is not None else (pa.float64(), pa.timestamp("us")):
            chunk = None if kind == pa.string() else _cast(text, kind)
            if chunk is not None:
                self.kind = kind
                self._append(chunk.to_numpy(zero_copy_only=False))
                return True
        self.kind = pa.string()
        if self.rows:  # the blocks before become text as well
            self.texts.append(pc.fill_null(pc.cast(pa.array(self._filled(), from_pandas=True), pa.large_string()), ""))
            self.values, self.rows = np.empty(0), 0
        self.texts.append(pc.cast(text, pa.large_string()))
        return False

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
