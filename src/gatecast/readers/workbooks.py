"""Spreadsheets (.xlsx, .ods, .xls): the first sheet with prices, or the sheet that is named, as a grid of text."""

from __future__ import annotations

import datetime
import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator

import numpy as np
import python_calamine as calamine

from gatecast.errors import UnreadableSource, UsageError
from gatecast.readers.cells import Grid, text_column
from gatecast.readers.choices import ReadOptions
from gatecast.readers.findings import Findings
from gatecast.readers.headers import with_header
from gatecast.readers.layouts import find_layout
from gatecast.readers.sources import FORMATS
from gatecast.text import clean, counted, listed, shown

_ZIP, _OLD = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
_MAX_CELLS = 50_000_000  # of a sheet up to its last filled row and column, which the library holds at once
_MAX_BYTES = 2 * 1024**3  # unpacked
_CHUNK = 1 << 20  # bytes of a sheet that are unpacked at a time; no tag is longer
_XLSX_CELL = re.compile(rb'<c [^>]*?r="([A-Z]{1,3})(\d{1,7})"')
_ODS_TAG = re.compile(rb"<table:(table|table-row|table-cell|covered-table-cell)(\s[^>]*)?>")


def is_workbook(content: object) -> bool:
    """Whether these bytes begin as a workbook or another zip archive does."""
    return isinstance(content, bytes) and content.startswith((_ZIP, _OLD))


def read_workbook(
    content: bytes, name: str, options: ReadOptions, findings: Findings, fits: Callable[[Grid], object] | None = None
) -> Grid:
    """The cells of a sheet, whose header is still a row; a note says which sheet where there are several.

    It is the first for which `fits` raises no `UnreadableSource`: by default one with dates and prices.
    Raises `UsageError` where no sheet has the name, and `UnreadableSource` where the workbook can't be read.
    """
    _check(content, name)
    try:
        with calamine.CalamineWorkbook.from_filelike(io.BytesIO(content)) as book:
            return _chosen(book, name, options, findings, fits or (lambda grid: find_layout(grid, "item")))
    except (calamine.CalamineError, OSError, ValueError) as error:
        old = ", an old Excel workbook," if content.startswith(_OLD) else ""
        why = clean(error, 100).rstrip(".")
        raise UnreadableSource(f"the spreadsheet {name}{old} can't be read: {why}. Export it as CSV.") from None


def _chosen(
    book: calamine.CalamineWorkbook, name: str, options: ReadOptions, findings: Findings, fits: Callable[[Grid], object]
) -> Grid:
    """The named sheet, else the first visible one in which the columns that are needed are found."""
    visible = [
        each.name
        for each in book.sheets_metadata
        if each.typ == calamine.SheetTypeEnum.WorkSheet and each.visible == calamine.SheetVisibleEnum.Visible
    ]
    if options.sheet is not None:
        if options.sheet not in book.sheet_names:
            known = listed([shown(each) for each in book.sheet_names], 10)
            raise UsageError(f"no sheet {shown(options.sheet)} in {name}. It has: {known}.")
        return _grid(book, options.sheet, options, findings)
    refusals: list[tuple[int, str, UnreadableSource]] = []
    for candidate in visible:
        rows = 0
        try:
            grid = _grid(book, candidate, options, Findings())
            rows = len(grid)
            fits(with_header(grid))
        except UnreadableSource as refusal:
            refusals.append((rows, candidate, refusal))
            continue
        if len(visible) > 1:
            findings.note(f"read the first sheet with prices, {shown(candidate)}, of {counted(len(visible), 'sheet')}.")
        return _grid(book, candidate, options, findings)
    filled = [refused for refused in refusals if refused[0]] or refusals
    if len(filled) == 1:
        raise filled[0][2]
    if not filled:
        raise UnreadableSource(f"a workbook needs a sheet with prices; {name} shows none. Export the prices as CSV.")
    sheets = listed([shown(each) for each in visible], 5)
    longest = max(filled, key=lambda refused: refused[0])
    raise UnreadableSource(
        f"no sheet of {name} holds a table of prices ({sheets}); the longest is {shown(longest[1])}: {longest[2]}"
    )


def _grid(book: calamine.CalamineWorkbook, sheet: str, options: ReadOptions, findings: Findings) -> Grid:
    rows = [[_text(cell) for cell in row] for row in book.get_sheet_by_name(sheet).to_python(skip_empty_area=False)]
    if not rows:
        raise UnreadableSource(f"the sheet {shown(sheet)} is empty. Name a sheet with a header and prices.")
    columns = tuple(text_column(cells) for cells in zip(*rows, strict=True))
    return Grid((), columns, np.arange(1, len(rows) + 1), "row", findings, options)


def _text(cell: object) -> str:
    """A cell as it would stand in a CSV file: dates in ISO, whole numbers without a fraction."""
    if isinstance(cell, float):
        return str(int(cell)) if cell == np.floor(cell) and abs(cell) < 1e15 else repr(cell)
    if isinstance(cell, datetime.datetime):
        return cell.date().isoformat() if cell.time() == datetime.time() else cell.isoformat(" ")
    if isinstance(cell, datetime.date | datetime.time):
        return cell.isoformat()
    return str(cell)[:200]


def _check(content: bytes, name: str) -> None:
    """Refuse what is no workbook, and one whose sheets would not fit in memory."""
    if content.startswith(_OLD):
        return  # its format ends at 65,536 rows and 256 columns
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            files = archive.namelist()
            if "[Content_Types].xml" not in files and "content.xml" not in files:
                raise UnreadableSource(f"a source is {FORMATS}; {name} is a zip archive. Give the file that is in it.")
            if sum(entry.file_size for entry in archive.infolist()) > _MAX_BYTES:
                raise UnreadableSource(f"a source unpacks to at most 2 GB; {name} is larger. Split it.")
            _check_said_sizes(content, archive)
            # A stray value in the last corner of a sheet would make a table of 17 billion cells.
            sizes = [
                size
                for file in files
                if re.fullmatch(r"xl/worksheets/[^/]+\.xml|content\.xml", file)
                for size in (_ods_sizes if file == "content.xml" else _xlsx_sizes)(_tags(archive, file))
            ]
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError, ValueError):
        raise UnreadableSource(
            f"a source is {FORMATS}; {name} is a zip archive or an Excel workbook that is damaged, cut off or locked. "
            "Download it again, or save it without a password."
        ) from None
    if max((rows * columns for rows, columns in sizes), default=0) > _MAX_CELLS:
        rows, columns = max(sizes, key=lambda size: size[0] * size[1])
        raise UnreadableSource(
            f"a sheet has at most {_MAX_CELLS:,} cells; one of {name} reaches row {rows:,} and column {columns:,}. "
            "Delete what stands far from the table."
        )


def _check_said_sizes(content: bytes, archive: zipfile.ZipFile) -> None:
    """Refuse a file of an archive that unpacks to more than the directory says, as only a trap does."""
    for entry in archive.infolist():
        if entry.compress_type == zipfile.ZIP_DEFLATED:
            head = entry.header_offset
            names = int.from_bytes(content[head + 26 : head + 28], "little")  # lengths of the name and the extra field
            extra = int.from_bytes(content[head + 28 : head + 30], "little")
            begin = head + 30 + names + extra
            packed, size = memoryview(content)[begin : begin + entry.compress_size], 0
            unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
            while packed and not unpacker.eof:
                size += len(unpacker.decompress(packed, _CHUNK))
                packed = memoryview(unpacker.unconsumed_tail)
                if size > entry.file_size:
                    raise zipfile.BadZipFile("longer than it says")


def _tags(archive: zipfile.ZipFile, file: str) -> Iterator[bytes]:
    """A file of an archive in parts that end with a tag, so that it is never in memory as a whole."""
    rest = b""
    with archive.open(file) as stream:
        while chunk := stream.read(_CHUNK):
            text, end, rest = (rest + chunk).rpartition(b">")
            if len(rest) > _CHUNK:
                raise ValueError("no XML")
            yield text + end
    yield rest


def _found(pattern: re.Pattern[bytes], xml: Iterator[bytes]) -> Iterator[re.Match[bytes]]:
    return (match for part in xml for match in pattern.finditer(part))


def _xlsx_sizes(xml: Iterator[bytes]) -> Iterator[tuple[int, int]]:
    """Up to which row and column the cells of a sheet reach."""
    rows = columns = 0
    for match in _found(_XLSX_CELL, xml):
        column = 0
        for letter in match[1]:
            column = column * 26 + letter - 64
        rows, columns = max(rows, int(match[2])), max(columns, column)
    yield rows, columns


def _ods_sizes(xml: Iterator[bytes]) -> Iterator[tuple[int, int]]:
    """Up to which row and column the filled cells of each sheet reach; a cell may stand for many."""
    rows = columns = row = column = height = 0
    for match in _found(_ODS_TAG, xml):
        kind, attributes = match[1], match[2] or b""
        repeated = re.search(rb'repeated="(\d{1,7})"', attributes)
        times = int(repeated[1]) if repeated else 1
        if kind == b"table":
            yield rows, columns
            rows = columns = row = height = 0
        elif kind == b"table-row":
            row, height, column = row + height, times, 0
        else:
            column += times
            if b"value-type" in attributes:
                rows, columns = max(rows, row + height), max(columns, column)
    yield rows, columns
