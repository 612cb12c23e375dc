"""Opens a source: a file, standard input, a bundled sample or Yahoo, as bytes or a frame."""

from __future__ import annotations

import gzip
import io
import logging
import os
import re
import stat
import sys
import zlib
from importlib import resources
from pathlib import Path
from typing import Protocol, runtime_checkable

import pandas as pd
import pyarrow as pa

from gatecast.errors import UnreadableSource, UsageError
from gatecast.executors import caught_warnings
from gatecast.text import clean, shown

LARGE = 64 * 1024**2  # bytes; a larger CSV file is read in parts
MAX_BYTES = 2 * 1024**3  # of a file, and of what it unpacks to
_CHUNK = 1 << 20  # bytes that are read at a time
_ENDINGS = re.compile(r"(\.(csv|tsv|txt|dat|parquet|pq|json|jsonl|ndjson|xlsx|xlsm|xls|ods|gz))+$", re.IGNORECASE)
FORMATS = "CSV, Parquet, JSON or a spreadsheet"
SAMPLES = {
    "aapl": "Apple daily OHLCV with adjusted close, 2000-2013 (Quandl WIKI, public domain)",
    "eurusd": "US dollars per euro, daily reference rate, 1999-2021 (European Central Bank)",
}
_TICKER = re.compile(r"[A-Za-z0-9^][A-Za-z0-9.^=\-]{0,19}")
_OTHER_FORMATS = {  # by their first bytes
    b"%PDF": "a PDF",
    b"BZh": "compressed by bzip2",
    b"\xfd7zXZ": "compressed by xz",
    b"\x28\xb5\x2f\xfd": "compressed by zstd",
    b"\x1f\x8b": "gzip inside gzip",
    b"ARROW1": "an Arrow IPC file",
    b"SQLite format 3": "a SQLite database",
    b"\x89PNG": "a picture",
    b"\x89HDF": "an HDF5 file",
}


def open_source(source: object) -> tuple[str, bytes | pd.DataFrame | Path]:
    """The item's name where the content has none, and the content; of a large file its path.

    Raises `UsageError` or, where it can't be read, `UnreadableSource`.
    """
    if (frame := _frame(source)) is not None:
        return frame
    if not isinstance(source, (str, Path)):
        raise UsageError(
            "a source is a file, '-', 'sample:NAME', 'yahoo:TICKER' or a pandas, polars or pyarrow table; "
            f"got {type(source).__name__}."
        )
    if source == "-":
        if sys.stdin is None or sys.stdin.buffer.closed:
            raise UnreadableSource(
                "standard input is closed. Give it a price history, as in: gatecast forecast - < prices.csv"
            )
        return "stdin", _unpack(_bounded(sys.stdin.buffer, "standard input"), "standard input")
    if source == "":
        raise UnreadableSource("a source is a file; its name is empty. Check the path, or give sample:aapl.")
    kind, colon, name = str(source).partition(":")
    if colon and kind == "sample":
        return _sample(name)
    if colon and kind == "yahoo":
        return name, _yahoo(name)
    if colon and kind in {"http", "https", "ftp", "s3"}:
        raise UsageError(f"a source is a file, not a web address; got {shown(source)}. Download it and give the file.")
    path = Path(source)
    return asset_named(path), _file(path)


def asset_named(path: Path) -> str:
    """The asset that a file names: its name without the endings of formats."""
    return clean(_ENDINGS.sub("", path.name)) or "item"


def is_price_file(name: str) -> bool:
    """Whether a file's name has the ending of a format that is read, and is not hidden."""
    return not name.startswith(".") and _ENDINGS.search(name) is not None


def _frame(source: object) -> tuple[str, pd.DataFrame] | None:
    """The name and the frame of what is a frame, a series or a table already; None of anything else."""
    if isinstance(source, pd.Series):
        name = "" if source.name is None else clean(source.name)
        return name or "item", source.rename("close").to_frame()
    if isinstance(source, pd.DataFrame):
        return "item", source
    if hasattr(source, "__arrow_c_stream__") or hasattr(source, "__arrow_c_array__"):
        return "item", _from_arrow(source)
    return None


def _from_arrow(table: object) -> pd.DataFrame:
    """The frame of a polars frame, a pyarrow table or whatever else gives itself in Arrow's form."""
    try:
        return pd.DataFrame(pa.table(table).to_pandas(date_as_object=False))
    except (pa.ArrowException, ValueError, TypeError) as error:
        kind = type(table).__name__
        raise UsageError(f"a {kind} is no table of prices: {clean(error, 100)}. Give a frame with columns.") from None


def _sample(name: str) -> tuple[str, bytes]:
    if name not in SAMPLES:
        raise UsageError(f"no sample {shown(name)}. Give one of: {', '.join(f'sample:{known}' for known in SAMPLES)}.")
    packed = resources.files("gatecast").joinpath("data", f"{name}.csv.gz").read_bytes()
    return name.upper(), _unpack(packed, f"sample:{name}")


def _file(path: Path) -> bytes | Path:
    """The bytes of a regular file, unpacked where gzip, or the path of a large one; other things are refused."""
    text = clean(path, 4096)
    name = f"'...{text[-60:]}'" if len(text) > 63 else f"'{text}'"  # of a long path the end, with the file's name
    try:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            raise UnreadableSource(f"a source is a file; {name} is a folder. Give a file in it.")
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableSource(
                f"a source is a regular file; {name} is a pipe or device. Give '-' and send it to standard input."
            )
        if status.st_size > LARGE and not _packed(path):
            return path
        with open(path, "rb") as stream:
            return _unpack(_bounded(stream, name), name)
    except FileNotFoundError:
        raise UnreadableSource(f"no file {name}. Check the path, or give sample:aapl.") from None
    except PermissionError:
        raise UnreadableSource(f"the file {name} may not be read. Change its permissions.") from None
    except (OSError, ValueError) as error:
        raise UnreadableSource(f"the file {name} can't be opened: {clean(error, 120)}. Check the path.") from None


@runtime_checkable
class _Stream(Protocol):
    def read(self, size: int, /) -> bytes:
        """At most so many bytes; none at the end."""


def _packed(path: Path) -> bool:
    """Whether a file begins as one that is read whole: packed, Parquet, a spreadsheet."""
    with open(path, "rb") as stream:
        return stream.read(8).startswith((b"\x1f\x8b", b"PAR1", b"PK\x03\x04", *_OTHER_FORMATS))


def whole(path: Path, name: str) -> bytes:
    """The bytes of a large file that can't be read in parts."""
    with open(path, "rb") as stream:
        return _unpack(_bounded(stream, name), name)


def _bounded(stream: _Stream, name: str, holds: str = "holds") -> bytes:
    """All bytes of a stream, in memory as they come; raises `UnreadableSource` where there are more than 2 GB."""
    content = io.BytesIO()
    while chunk := stream.read(_CHUNK):
        content.write(chunk)
        if content.tell() > MAX_BYTES:
            raise UnreadableSource(f"a source {holds} at most 2 GB; {name} is larger. Split it.")
    return content.getvalue()


def _unpack(content: bytes, name: str) -> bytes:
    """The bytes, unpacked if gzip by its magic number; raises `UnreadableSource` for other formats."""
    if content.startswith(b"\x1f\x8b"):
        content = _gunzip(content, name)
    for magic, what in _OTHER_FORMATS.items():
        if content.startswith(magic):
            raise UnreadableSource(f"a source is {FORMATS}; {name} is {what}. Export it as CSV.")
    if not content.strip():
        raise UnreadableSource(f"{name} is empty. Give a file with a header and prices.")
    return content


def _gunzip(content: bytes, name: str) -> bytes:
    """Every member of a gzip stream."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as stream:
            return _bounded(stream, name, "unpacks to")
    except EOFError:
        raise UnreadableSource(f"the gzip file {name} ends too early. Download it again.") from None
    except (zlib.error, gzip.BadGzipFile):
        raise UnreadableSource(f"the gzip file {name} is damaged. Download it again.") from None


def check_ticker(ticker: str) -> None:
    """Raise `UsageError` for what is no ticker of Yahoo."""
    if not _TICKER.fullmatch(ticker):
        raise UsageError(f"a Yahoo ticker is letters, digits and . ^ = -; got {shown(ticker)}. Write yahoo:AAPL.")


def _yahoo(ticker: str) -> pd.DataFrame:
    """The daily history of a ticker from Yahoo; raises `UsageError` or `UnreadableSource`."""
    check_ticker(ticker)
    try:
        import yfinance
    except ImportError:
        raise UsageError("yahoo: needs the package yfinance. Install it: pip install 'gatecast[yahoo]'.") from None
    logger = logging.getLogger("yfinance")
    before = logger.disabled
    logger.disabled = True  # it prints a paragraph for each failure
    try:
        with caught_warnings():
            frame = yfinance.download(
                ticker, period="max", auto_adjust=False, actions=False, progress=False, threads=False, timeout=10
            )
    except Exception as error:  # yfinance raises whatever its HTTP layer does
        why = clean(error, 120) or type(error).__name__
        raise UnreadableSource(f"Yahoo did not answer for '{ticker}': {why}. Try again later.") from None
    finally:
        logger.disabled = before
    if frame is None or frame.empty:
        raise UnreadableSource(f"Yahoo has no prices for '{ticker}'. Check the ticker and the network.")
    return pd.DataFrame(frame)
