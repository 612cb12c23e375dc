"""From bytes or a frame to a grid of cells without meaning: encoding, separator, Parquet."""

from __future__ import annotations

import codecs
import datetime
import io
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool

from gatecast.errors import UnreadableSource
from gatecast.executors import caught_warnings
from gatecast.readers.choices import ReadOptions
from gatecast.readers.endings import without_cut_line
from gatecast.readers.findings import Findings
from gatecast.readers.footnotes import with_quoted_sentences
from gatecast.readers.json_tables import json_table, looks_like_json
from gatecast.readers.names import key, kinds
from gatecast.readers.sources import FORMATS
from gatecast.text import clean, shown

MAX_ROWS = 50_000_000
MAX_COLUMNS = 10_050  # 10,000 items, dates and a few other columns
_SEPARATORS = (";", "\t", "|", ",")  # as even as another, a comma is the decimal sign: 08.12.2025;120,40
_BOMS = (  # the longer ones first: that of UTF-32 begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

_OLDER = {  # encodings of before Unicode, the likeliest first
    "Windows-1252": "cp1252",
    "Windows-1250": "cp1250",
    "Windows-1251": "cp1251",
    "Windows-1254": "cp1254",
    "GB18030": "gb18030",
    "Big5": "cp950",
    "Shift-JIS": "cp932",
    "EUC-KR": "cp949",
}
_HEADER_LINES = 30  # whose words are looked up

Column: TypeAlias = pa.ChunkedArray | np.ndarray  # text; or float64 or datetime64 from a frame


@dataclass(frozen=True)
class Grid:
    """Columns of cells; `lines[i]` is where row i stands in the file or frame, counted from 1."""

    # Of each column a name per header row, ("Close",) or ("Close", "AAPL"); none while the header is a row.
    names: tuple[tuple[str, ...], ...]
    columns: tuple[Column, ...]
    lines: np.ndarray | range
    word: str  # "line" of a file, "row" of a frame
    findings: Findings
    options: ReadOptions = field(default_factory=ReadOptions)  # what the caller said
    headed: bool = True  # False: the names are 1, 2, ...
    ended: bool = True  # False: the last row is a line without a line end

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.lines)

    def any_text(self, columns: Iterable[int]) -> bool:
        """Whether any of these columns is written as text in the source, as all are in a text file."""
        return self.word == "line" or any(isinstance(self.columns[at], pa.ChunkedArray) for at in columns)

    def text(self, column: int, row: int) -> str:
        """A cell as the source wrote it, for a message."""
        cell = self.columns[column][row]
        return shown(cell.as_py() if isinstance(cell, pa.Scalar) else cell)

    def place(self, row: int) -> str:
        """Where a row stands: `line 57`."""
        return f"{self.word} {self.lines[row]:,}".replace(",", "")


def matches(text: pa.ChunkedArray, pattern: str) -> Bool[np.ndarray, " rows"]:
    """In which cells a regular expression is found."""
    return np.asarray(pc.match_substring_regex(text, pattern), dtype=bool)


def text_column(cells: Sequence[str] | pd.Series) -> pa.ChunkedArray:
    """Cells as a column of text."""
    return pa.chunked_array([pa.array(cells, type=pa.large_string())])


def read_cells(content: bytes | pd.DataFrame, name: str, findings: Findings) -> Grid:
    """The cells of a frame, of Parquet or of text; raises `UnreadableSource` where they form no table."""
    if isinstance(content, bytes) and not content.startswith(b"PAR1"):
        return _from_text(content, name, findings)
    return _from_frame(_parquet(content, name) if isinstance(content, bytes) else content, findings)


def _check_size(name: str, *, rows: int, columns: int = 0) -> None:
    if columns > MAX_COLUMNS:
        raise UnreadableSource(
            f"a source holds at most 10,000 items; {name} has {columns:,} columns. Remove some, or use a long table."
        )
    if rows > MAX_ROWS:
        raise UnreadableSource(f"a source holds at most {MAX_ROWS:,} rows; {name} has more. Split it.")


def _parquet(content: bytes, name: str) -> pd.DataFrame:
    """The frame in a Parquet file; raises `UnreadableSource` where it is damaged or too long."""
    import pyarrow.parquet as pq

    if not content.endswith(b"PAR1"):
        raise UnreadableSource(f"the Parquet file {name} ends too early. Download it again.")
    try:
        parquet = pq.ParquetFile(io.BytesIO(content))
        _check_size(name, rows=parquet.metadata.num_rows)
        return pd.DataFrame(parquet.read().to_pandas())
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError, OverflowError) as error:
        why = clean(error, 100).rstrip(".")
        raise UnreadableSource(f"the Parquet file {name} can't be read: {why}. Write it again.") from None


def _from_frame(frame: pd.DataFrame, findings: Findings) -> Grid:
    """A grid of a pandas frame; an index that is more than a row count becomes a column."""
    _check_size("this frame", rows=len(frame), columns=frame.shape[1])
    names = [_names(label) for label in frame.columns]
    columns = [_column(frame.iloc[:, position]) for position in range(frame.shape[1])]
    index, levels = frame.index, frame.index.nlevels
    counts = isinstance(index, pd.RangeIndex) or pd.api.types.is_integer_dtype(index.dtype)
    counts = counts and not (_may_be_dates(index) and not any("date" in kinds(key(name)) for name, *_ in names))
    for level in reversed(range(0 if counts and index.name is None else levels)):
        values = index.get_level_values(level)
        default = "date" if isinstance(values, (pd.DatetimeIndex, pd.PeriodIndex)) or levels == 1 else "index"
        names.insert(0, (clean(values.name) if values.name is not None else default,))
        columns.insert(0, _column(pd.Series(values)))
    return Grid(tuple(names), tuple(columns), np.arange(1, len(frame) + 1), "row", findings)


def _may_be_dates(index: pd.Index) -> bool:
    """Whether whole numbers without a name can be dates such as 20261120, or counts since 1970 of 1990..2100."""
    numbers = index.to_numpy(dtype=np.float64, na_value=np.nan)
    if isinstance(index, pd.RangeIndex) or len(numbers) == 0:
        return False
    year, month, day = numbers // 10_000, numbers // 100 % 100, numbers % 100
    written = (year >= 1800) & (year < 2200) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
    counted = [(numbers >= 631_152_000 * unit) & (numbers < 4_102_444_800 * unit) for unit in (1, 1e3, 1e6, 1e9)]
    return any(bool(may.all()) for may in (written, *counted))


def _names(label: object) -> tuple[str, ...]:
    levels = label if isinstance(label, tuple) else (label,)
    return tuple(clean(level) for level in levels if str(level)) or ("",)


def _column(values: pd.Series) -> Column:
    """One frame column as floats, timestamps without a zone, or text."""
    kind = values.dtype
    if isinstance(kind, pd.PeriodDtype):
        values = values.dt.to_timestamp()
    elif isinstance(kind, pd.DatetimeTZDtype):
        wall = values.dt.tz_localize(None)
        # Where the local clock repeats an hour in autumn, local times would be ambiguous; UTC keeps the order.
        repeats = wall.nunique() < values.nunique()
        values = values.dt.tz_convert("UTC").dt.tz_localize(None) if repeats else wall
    types = pd.api.types
    if types.is_datetime64_any_dtype(values.dtype):
        seconds = values.dropna().to_numpy(dtype="datetime64[s]")
        # 64 bits of nanoseconds do not hold all of these; `dates` checks the years.
        beyond = ((seconds < np.datetime64("1678-01-01")) | (seconds > np.datetime64("2262-01-01"))).any()
        return values.to_numpy(dtype="datetime64[s]" if beyond else "datetime64[ns]")
    if types.is_numeric_dtype(kind) and not types.is_bool_dtype(kind) and not types.is_complex_dtype(kind):
        return values.to_numpy(dtype=np.float64, na_value=np.nan)
    return text_column(values.fillna("") if isinstance(kind, pd.StringDtype) else [_cell_text(cell) for cell in values])


def _cell_text(cell: object) -> str:
    if cell is None or cell is pd.NaT or cell is pd.NA or (isinstance(cell, float) and np.isnan(cell)):
        return ""
    if isinstance(cell, datetime.date):  # a datetime is one as well
        return cell.isoformat()
    return str(cell).encode("utf-8", "replace").decode("utf-8")[:200]


def _from_json(table: pd.DataFrame | list[list[object]], findings: Findings) -> Grid:
    """A grid of a JSON table; rows that are lists may begin with a header, as those of a CSV file do."""
    if isinstance(table, pd.DataFrame):
        return _from_frame(table, findings)
    columns = tuple(text_column([_cell_text(cell) for cell in cells]) for cells in zip(*table, strict=True))
    return Grid((), columns, np.arange(1, len(table) + 1), "row", findings)


def _from_text(content: bytes, name: str, findings: Findings) -> Grid:
    """A grid of the cells of a CSV file, whose header is still a row, or of JSON."""
    text = _decode(content, name, findings)
    if looks_like_json(text):
        return _from_json(json_table(text, name, findings), findings)
    head = [line for line in text[:200_000].split("\n")[:60] if line.strip()]
    if not head:
        raise UnreadableSource("a table needs a header; this one is blank. Add one such as date,close.")
    separator, width = _separator(head)
    if (quoted := with_quoted_sentences("\n".join(head), head, separator)) != "\n".join(head):
        text, width = with_quoted_sentences(text, head, separator), _separator(quoted.split("\n"))[1]
    text = without_cut_line(text, separator, findings)
    _check_size(name, rows=text.count("\n"), columns=width)
    try:
        frame = _parse(text, separator, width, name)
    except UnreadableSource:
        quoted = with_quoted_sentences(text, head, separator)
        if quoted == text:
            raise
        frame = _parse(quoted, separator, width, name)
    lines = np.arange(1, len(frame) + 1)
    if '"' in text:  # cells in quotes may hold line breaks
        breaks = sum((frame[at].str.count("\n").to_numpy(dtype=np.int64) for at in frame), np.zeros(len(frame), int))
        lines[1:] += np.cumsum(breaks)[:-1]
    columns = tuple(text_column(frame[at]) for at in range(width))
    return Grid((), columns, lines, "line", findings, ended=text.endswith("\n"))


def _parse(text: str, separator: str, width: int, name: str) -> pd.DataFrame:
    """All cells as text; a row with more cells than the table has columns is refused by its line."""
    try:
        with caught_warnings():
            frame = pd.read_csv(
                io.StringIO(text),
                sep=separator,
                header=None,
                names=range(width + 1),  # and a spare column: separators at the end of every line are common
                index_col=False,
                dtype=str,
                na_filter=False,
                skip_blank_lines=False,
                skipinitialspace=separator != "\t",
                low_memory=False,
            )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError, OverflowError) as error:
        raise UnreadableSource(_parse_failure(str(error), name, width)) from None
    spare = frame[width].str.strip() != ""
    if spare.any():
        row = int(spare.to_numpy().argmax())
        raise UnreadableSource(
            f"a line has at most the header's {width} cells; line {row + 1} of {name} has more. Quote or correct it."
        )
    return frame


def _parse_failure(message: str, name: str, width: int) -> str:
    more = re.search(r"in line (\d+), saw (\d+)", message)
    if more:
        where = f"line {more[1]} of {name} has {more[2]}"
        return f"a line has at most the header's {width} cells; {where}. Quote or correct it."
    if "EOF inside string" in message:
        row = re.search(r"row (\d+)", message)
        where = f"line {int(row[1]) + 1}" if row else "a line"
        return f"a quote must be closed; {where} of {name} opens a quote that never ends. Correct that line."
    return f"{name} can't be read as a table: {clean(message, 100)}. Export it as plain CSV."


def _decode(content: bytes, name: str, findings: Findings) -> str:
    """The text of the bytes with `\\n` line ends; an older encoding than Unicode is noted."""
    encoding = next((code for bom, code in _BOMS if content.startswith(bom)), None)
    if encoding is None and content[1:200:2].count(0) > 60 > content[:200:2].count(0):
        encoding = "utf-16-le"  # a Windows export without a byte order mark
    binary = UnreadableSource(f"a source is {FORMATS}; {name} holds binary data. Export it as CSV.")
    if encoding is None and b"\0" in content:
        raise binary  # before its text takes memory as well
    try:
        text = content.decode(encoding or "utf-8")
    except UnicodeDecodeError:
        if encoding is not None:
            raise UnreadableSource(f"{name} is damaged {encoding} text. Save it again as UTF-8.") from None
        text, encoding, alike = _decode_older(content)
        findings.note(f"read the text as {encoding}{alike}: it is not valid UTF-8.")
    start = text[:100_000]
    control = sum((c < " " and c not in "\t\n\r\f") or "\x7f" <= c < "\xa0" for c in start)
    if "\0" in text or control > 0.1 * len(start):
        raise binary
    opening = start.lstrip().lower()
    if opening.startswith(("<!doctype", "<html", "<?xml")):
        raise UnreadableSource(f"a source is {FORMATS}; {name} is a web page or XML. Export it as CSV.")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _decode_older(content: bytes) -> tuple[str, str, str]:
    """The text in the encoding of before Unicode in which most words of its first lines are names of columns; its name,
    and words for a note where another text has as many.
    """
    head = content[: content.find(b"\n", 4000) + 1 or len(content)]
    found: dict[str, int] = {}
    texts: dict[str, str] = {}
    for name, code in _OLDER.items():
        with suppress(UnicodeDecodeError):
            texts[name] = head.decode(code)
            lines = texts[name].split("\n")[:_HEADER_LINES]
            found[name] = sum(bool(kinds(key(word))) for line in lines for word in re.split("[,;\t|]", line))
    for name in sorted(found, key=lambda name: -found[name]):
        with suppress(UnicodeDecodeError):
            others = {texts[other] for other in found if found[other] == found[name]} - {texts[name]}
            alike = " or an encoding like it" if others else ""
            return content.decode(_OLDER[name]), name, alike
    return content.decode("latin-1"), "Windows-1252", ""


def _separator(head: list[str]) -> tuple[str, int]:
    """The separator that divides the first lines most evenly, and the most cells a line has with it."""
    unquoted = [re.sub(r'"[^"]*"', '""', line) for line in head]

    def evenness(separator: str) -> tuple[float, int]:
        counts = Counter(line.count(separator) for line in unquoted if separator in line)
        usual, times = max(counts.items(), key=lambda pair: pair[1], default=(0, 0))
        return times / len(unquoted), usual

    separator = max(_SEPARATORS, key=evenness)
    return separator, max(line.count(separator) for line in unquoted) + 1
