"""Bad inputs and what reading makes of each: repaired with this note, or refused with these words in a single line."""

# ruff: noqa: E501 - a table of cases reads best with a case a line

from __future__ import annotations

import bz2
import datetime
import gzip
import io
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from conftest import texts
from gatecast.errors import DataError, GatecastError, UnreadableSource, UnsafeData
from gatecast.readers.read import read_prices
from gatecast.readers.sources import open_source

TODAY = datetime.date(2026, 1, 1)
REFUSED = (UnreadableSource, UnsafeData)


def rows(**changes: str) -> str:
    """Thirty clean OHLCV rows under a header; `r5="..."` replaces row 5 (line 7 of the file) by that text."""
    lines = ["date,open,high,low,close,volume"]
    for i, day in enumerate(pd.bdate_range("2021-01-04", periods=30)):
        close = 50 + i / 4
        lines.append(f"{day:%Y-%m-%d},{close},{close + 1},{close - 1},{close},{1000 + i}")
    for key, text in changes.items():
        lines[int(key[1:]) + 1] = text
    return "\n".join(lines) + "\n"


def long(item: str) -> str:
    return "ticker,date,close\n" + "".join(f"{item},2021-01-{day:02d},{day}\n" for day in range(4, 9))


# name: (content, words of the refusal or None, words of the notes with --repair or None where it is refused too)
CASES: dict[str, tuple[str | bytes, str | None, str | None]] = {
    "blank": ("\n\n  \n", "is empty", None),
    "blank for seventy lines": ("\n" * 70 + rows(), "needs a header; this one is blank", None),
    "byte order mark alone": (b"\xef\xbb\xbf", "needs a header; this one is blank", None),
    "header alone": ("date,close\n", "needs rows", None),
    "no header": (rows().split("\n", 1)[1], "needs a header", None),
    "no date column": ("open,close\n1,2\n3,4\n", "needs a date column; this one has 'open', 'close'", None),
    "no price column": ("date,name\n2021-01-04,a\n2021-01-05,b\n", "no price column among 'date', 'name'", None),
    "no close": ("date,open,high,low\n2021-01-04,1,1,1\n", "Name a column 'close'", None),
    "dates that are words": ("date,close\nyesterday,1\ntoday,2\n", "must hold dates", None),
    "prices that are words": ("date,close\n2021-01-04,cheap\n2021-01-05,dear\n", "must be a number", None),
    "excel": (b"PK\x03\x04\x14\x00" + bytes(100), "Excel", None),
    "old excel": (b"\xd0\xcf\x11\xe0" + bytes(100), "old Excel", None),
    "pdf": (b"%PDF-1.7 ...", "a PDF", None),
    "bzip2": (bz2.compress(rows().encode()), "bzip2", None),
    "gzip twice": (gzip.compress(gzip.compress(rows().encode())), "gzip inside gzip", None),
    "gzip cut": (gzip.compress(rows().encode())[:-30], "ends too early", None),
    "gzip damaged": (b"\x1f\x8b\x08\x00" + bytes(range(200)), "gzip", None),
    "parquet damaged": (b"PAR1" + bytes(100) + b"PAR1", "Parquet file", None),
    "web page": ("<!DOCTYPE html><html><body>404</body></html>", "a web page", None),
    "json": ('{"chart": {"result": []}}', "JSON", None),
    "binary": (np.random.default_rng(0).bytes(5000), "binary", None),
    "nul bytes": (rows().replace("50.0", "5\x000"), "binary", None),
    "utf-16 damaged": (b"\xff\xfe" + rows().encode("utf-16-le")[:-1], "damaged utf-16", None),
    "open quote": (rows(r5='2021-01-11,"51,52,50,51,1'), "opens a quote that never ends", None),
    "a cell too many": (rows(r5="2021-01-11,51,52,50,51,1,7"), "line 7 has more cells", None),
    "many cells too many": (rows(r5="2021-01-11" + ",5" * 40), "more cells than the header", None),
    "a cell too few": (rows(r5="2021-01-11,51,52,50"), "close must be present", "dropped 1 row for an unusable close"),
    "unquoted thousands": ("date,close\n2021-01-04,1,234.5\n2021-01-05,1,250.5\n", "more cells than the header", None),
    "ambiguous comma": ("date;close\n2021-01-04;1,234\n", "no cell of the source decides it", None),
    "decimal comma once": (rows(r5='2021-01-11,51,52,50,"51,3",1'), "has close '51,3' at line 7", "dropped 1 row"),
    "ambiguous dates": ("date,close\n03/04/2021,1\n04/05/2021,2\n", "the order of day and month must be clear", None),
    "two date orders": ("date,close\n13/04/2021,1\n04/14/2021,2\n", "must be in the same order everywhere", None),
    "31 June": (rows(r5="2021-06-31,51,52,50,51,1"), "a date must be readable; line 7", "dropped 1 row"),
    "year 1066": (rows(r5="1066-10-14,51,52,50,51,1"), "between 1800 and 2200; line 7", "dropped 1 row"),
    "year 9999": (rows(r5="9999-12-31,51,52,50,51,1"), "between 1800 and 2200", "dropped 1 row"),
    "tomorrow": (rows(r29="2026-01-02,51,52,50,51,1"), "future (today is 2026-01-01); line 31", "dropped 1 row"),
    "no date in a row": (rows(r5=",51,52,50,51,1"), "every row needs a date; line 7", "dropped 1 row"),
    "no item in a row": (long("A") + ",2021-01-11,3\n", "every row needs an item; line 7", "dropped 1 row because every row needs an item"),
    "negative": (rows(r5="2021-01-11,51,52,50,-51,1"), "close must be positive; 'X' has close '-51' at line 7 (2021-01-11)", "dropped"),
    "zero": (rows(r5="2021-01-11,51,52,50,0,1"), "close must be positive", "dropped"),
    "infinite": (rows(r5="2021-01-11,51,52,50,inf,1"), "present and finite", "dropped"),
    "excel error": (rows(r5="2021-01-11,51,52,50,#REF!,1"), "has close '#REF!'", "dropped"),
    "1e999": (rows(r5="2021-01-11,51,52,50,1e999,1"), "present and finite", "dropped"),
    "hexadecimal": (rows(r5="2021-01-11,51,52,50,0x33,1"), "must be a number", "dropped"),
    "underscore": (rows(r5="2021-01-11,51,52,50,5_1,1"), "must be a number", "dropped"),
    "two currencies": (rows(r5="2021-01-11,51,52,50,€51,1"), "must be a number", "dropped"),
    "formula": (rows(r5='2021-01-11,51,52,50,"=HYPERLINK(""x"")",1'), "must be a number", "dropped"),
    "zero open": (rows(r5="2021-01-11,0,52,50,51,1"), "open must be positive", "replaced the open with the close"),
    "high below low": (rows(r5="2021-01-11,51,50,52,51,1"), "high can't be below low", "swapped high and low"),
    "slip": (rows(r5="2021-01-11,51,52,50,512.5,1"), "10 times larger than its neighbours", "decimal point of close"),
    "slip down": (rows(r5="2021-01-11,51,52,50,0.51,1"), "100 times smaller than its neighbours", "decimal point of close"),
    "far close": (rows(r5="2021-01-11,51,52,50,2000,1"), "more than 7 times outside", "widened"),
    "conflict": (rows(r5="2021-01-08,51,52,50,51.5,1"), "a single row per date", "kept the last of conflicting rows"),
    "twin assets": ("date,A,A\n2021-01-04,1,2\n", "two columns are named 'A'", None),
    "asset of bad prices": (long("A") + "B,2021-01-04,0\n", "close must be positive", "left out 'B': it has no price. B: repair: dropped 1 row"),
    "header again": (rows() + rows(), "a date must be readable; line 32 has 'date'", "exact duplicate rows"),
    # Safe repairs, made without being asked for
    "blank lines": (rows().replace("\n", "\n\n"), None, "without a date or price"),
    "footer": (rows() + "Source: somebody\n", None, "skipped 1 line without a date or price"),
    "preamble": ("Prices of X\nfrom nowhere\n" + rows(), None, "skipped 2 lines before the header"),
    "blank tail": (rows(r29="2021-02-12,,,,,"), None, "dropped 1 blank row after the last price"),
    "blank head": (rows(r0="2021-01-04,,,,,"), None, "dropped 1 blank row before the first price"),
    "newest first": ("date,close\n" + "".join(f"2021-01-{d:02d},{d}\n" for d in range(29, 9, -1)), None, "sorted 20 rows"),
    "same row twice": (rows() + rows().strip().split("\n")[-1] + "\n", None, "dropped 1 exact duplicate row."),
    "dollars": ("date,close\n2021-01-04,$5\n2021-01-05,$6\n", None, "currency sign"),
    "extra columns": ("date,close,name\n2021-01-04,5,a\n2021-01-05,6,b\n", None, "ignored columns that hold no prices: 'name'"),
    "trailing separators": (rows().replace("\n", ",\n"), None, ""),
    "bad volume": (rows(r5="2021-01-11,51,52,50,51,many"), None, "set the volume to 0 in 1 row: line 7"),
    "blank volume": ("date,close,volume\n2021-01-04,5,\n2021-01-05,6,\n", None, "ignored column volume"),
    "windows text": (rows().replace("date", "daté").encode("cp1252"), None, "Windows-1252"),
    "terminal codes in a name": (long("\x1b[31mRED\x07\u202e"), None, ""),
    "a very long name": (long("N" * 5000), None, ""),
    "tiny and huge": ("date,close\n2021-01-04,1e-12\n2021-01-05,1e12\n", None, ""),
    "one row": ("date,close\n2021-01-04,5\n", None, ""),
    "constant": ("date,close\n" + "".join(f"2021-01-{d:02d},5\n" for d in range(10, 29)), None, "the close is 5 in all"),
    "dead asset": ("date,A,B\n2021-01-04,5,\n2021-01-05,6,\n", None, "left out 'B': it has no price"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_bad_input(name: str, tmp_path: Path) -> None:
    content, refusal, note = CASES[name]
    path = tmp_path / "X.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    began = time.monotonic()
    if refusal is not None:
        with pytest.raises(REFUSED) as error:
            read_prices(path, today=TODAY)
        text = str(error.value)
        assert refusal in text and "\n" not in text and text.isprintable()
        assert isinstance(error.value, UnsafeData) == ("repair=True" in text)
    if note is None:
        with pytest.raises(DataError):
            read_prices(path, repair=True, today=TODAY)
    else:
        table = read_prices(path, repair=refusal is not None, today=TODAY)
        notes = " ".join(texts(table.all_notes()))
        assert note in notes
        assert ("repair: " in notes) == (refusal is not None)
        assert all(item.isprintable() and len(item) <= 200 for item in table.item_ids)
    assert time.monotonic() - began < 20


def test_paths_that_are_no_file(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.csv", "/dev/zero", "a\0b", "x" * 5000, "", "none\nsuch\x1b[2J.csv"):
        with pytest.raises(UnreadableSource) as error:
            read_prices(path)
        assert "\n" not in str(error.value) and str(error.value).isprintable()
    for source in (None, 3, [1, 2], b"date,close", "https://example.org/prices.csv"):
        with pytest.raises(GatecastError, match="a source is"):
            open_source(source)


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "X.csv").write_text(rows())

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "no")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(UnreadableSource, match="may not be read"):
        read_prices(tmp_path / "X.csv")


def test_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "X.csv"
    wide = ",".join(f"a{i}" for i in range(10_200))
    path.write_text(f"date,{wide}\n2021-01-04{',1' * 10_200}\n")
    with pytest.raises(UnreadableSource, match="at most 10,000 items"):
        read_prices(path)
    path.write_text("ticker,date,close\n" + "".join(f"t{i},2021-01-04,1\n" for i in range(10_001)))
    with pytest.raises(UnreadableSource, match="at most 10,000 items"):
        read_prices(path)
    monkeypatch.setattr("gatecast.readers.sources.MAX_BYTES", 1000)
    with pytest.raises(UnreadableSource, match="at most 2 GB"):
        read_prices(path)
    path.write_bytes(gzip.compress(bytes(1_000_000)))
    with pytest.raises(UnreadableSource, match="is larger"):
        read_prices(path)
    monkeypatch.undo()
    monkeypatch.setattr("gatecast.readers.cells.MAX_ROWS", 10)
    path.write_text(rows())
    with pytest.raises(UnreadableSource, match="at most 10 rows"):
        read_prices(path)
    with pytest.raises(UnreadableSource, match="at most 10 rows"):
        read_prices(pd.DataFrame({"date": pd.bdate_range("2021-01-04", periods=11), "close": 1.0}))


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame(),
        pd.DataFrame({"date": [], "close": []}),
        pd.DataFrame({"close": [1.0, 2.0]}),
        pd.DataFrame({"date": pd.bdate_range("2021-01-04", periods=2), "close": [[1], {"a": 2}]}),
        pd.DataFrame({"date": pd.bdate_range("2021-01-04", periods=2), "close": [1j, 2j]}),
        pd.DataFrame({"date": pd.bdate_range("2021-01-04", periods=2), "close": [True, False]}),
        pd.DataFrame({"date": [pd.NaT, pd.NaT], "close": [1.0, 2.0]}),
        pd.DataFrame({"date": np.array(["0900-01-01", "9000-01-01"], "M8[s]"), "close": [1.0, 2.0]}),
        pd.DataFrame({"date": pd.bdate_range("2021-01-04", periods=2), "close": [None, None]}),
        pd.Series([1.0, 2.0]),
    ],
)
def test_frames_that_are_no_prices(frame: pd.DataFrame) -> None:
    with pytest.raises(DataError) as error:
        read_prices(frame, repair=True)
    assert "\n" not in str(error.value)


SHARED = {  # file: (refusal, note)
    "00_clean_control.csv": (None, "adjusted open, high, low and close"),
    "01_duplicate_dates.csv": ("an item must have a single row per date; '01_duplicate_dates'", "dropped 3 exact duplicate rows"),
    "02_unsorted_dates.csv": (None, "sorted 1,008 rows by date"),
    "03_nan_inf_prices.csv": ("and 9 more such rows", "dropped 10 rows for an unusable close"),
    "06_constant_price.csv": (None, "the close is 10 in all 1,008 rows"),
    "08_semicolon_delimiter.csv": (None, "adjusted open, high, low and close"),
    "10_empty_file.csv": ("is empty", None),
    "12_ten_rows_only.csv": (None, "adjusted open, high, low and close"),
    "15_non_utf8_bytes.csv": ("at line 52 (2018-03-15)", "set the volume to 0 in 1 row: line 51"),
    "21_yfinance_multiheader_real.csv": (None, ""),
}  # fmt: skip


@pytest.mark.parametrize("name", SHARED)
def test_shared_naughty(name: str, shared_data: Path) -> None:
    path = shared_data / "naughty" / name
    refusal, note = SHARED[name]
    if refusal is not None:
        with pytest.raises(REFUSED) as error:
            read_prices(path)
        assert refusal in str(error.value) and "\n" not in str(error.value)
    if note is not None:
        table = read_prices(path, repair=True)
        assert note in " ".join(texts(table.all_notes()))


def test_every_shared_naughty_file_has_an_expectation(shared_data: Path) -> None:
    assert {path.name for path in (shared_data / "naughty").glob("*.csv")} == set(SHARED)


def test_parquet_in_memory_is_the_frame(tmp_path: Path) -> None:
    frame = pd.read_csv(io.StringIO(rows()))
    frame.to_parquet(tmp_path / "X.parquet")
    assert read_prices(tmp_path / "X.parquet")["X"].close.tolist() == frame["close"].tolist()
