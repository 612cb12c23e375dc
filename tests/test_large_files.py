"""A long file is read in little more memory than its numbers take."""

from __future__ import annotations

import gzip
import io
import sys
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv

from gatecast.errors import DataError, UnreadableSource
from gatecast.prices import PriceSeries
from gatecast.readers import large, sources
from gatecast.readers.dates import parse_dates
from gatecast.readers.findings import Findings
from gatecast.readers.read import read_prices

ROWS = 350_000  # bars of ten minutes, six years of them: a file of 20 MB, numbers of 17 MB


@contextmanager
def traced() -> Iterator[Callable[[], int]]:
    """A call gives the most memory that numpy and arrow, which tracemalloc does not see, have taken since."""
    usual = pa.default_memory_pool()
    pool = pa.proxy_memory_pool(usual)
    pa.set_memory_pool(pool)
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[1] + int(pool.max_memory())
    tracemalloc.stop()
    pa.set_memory_pool(usual)


def write_bars(path: Path, repeated: int | None) -> None:
    """Bars as exports have them; the row `repeated` twice."""
    rng = np.random.default_rng(7)
    rows = np.arange(ROWS)
    if repeated is not None:
        rows[repeated + 1 :] -= 1
    close = np.round(100 * np.exp(np.cumsum(rng.normal(scale=1e-4, size=ROWS))), 4)[rows]
    opened = np.append(close[0], close[:-1])[rows]
    columns = {
        "timestamp": pa.array(np.datetime64("2010-01-01", "s") + 600 * rows),
        "open": opened,
        "high": np.round(np.maximum(opened, close) + 0.01, 4),
        "low": np.round(np.minimum(opened, close) - 0.01, 4),
        "close": close,
        "volume": rng.integers(1, 100_000, ROWS)[rows],
    }
    csv.write_csv(pa.table(columns), path)


@pytest.mark.parametrize(("repeated", "most"), [(None, 1.5), (1000, 1.8)])
def test_a_large_file_takes_little_more_memory_than_its_numbers(
    repeated: int | None, most: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bars.csv"
    write_bars(path, repeated)
    monkeypatch.setattr(sources, "LARGE", 1_000_000)
    monkeypatch.setattr(large, "_HEAD", 1 << 14)  # what is constant must be small beside this file as well
    monkeypatch.setattr(large, "_BLOCK", 1 << 14)
    with traced() as peak:
        (series,) = read_prices(path)
        taken = peak()
    numbers = series.timestamps.nbytes + sum(values.nbytes for values in series.columns().values())
    assert len(series) == ROWS - (repeated is not None) and len(series.columns()) == 5
    assert taken <= most * numbers


def test_a_series_copies_what_others_can_write_and_nothing_else() -> None:
    stamps = np.array(["2024-01-02", "2024-01-03", "2024-01-04"], "M8[ns]")
    close = np.array([1.0, 2.0, 3.0])
    shown = close[:]
    shown.flags.writeable = False
    for given in (close, shown):
        series = PriceSeries(item_id="X", timestamps=stamps, close=given)
        assert not np.shares_memory(series.close, close) and not np.shares_memory(series.timestamps, stamps)
    close.flags.writeable = False
    series = PriceSeries(item_id="X", timestamps=stamps, close=close[:])
    assert np.shares_memory(series.close, close)
    part = series.rows(1, 3)
    assert np.shares_memory(part.close, close) and np.shares_memory(part.timestamps, series.timestamps)
    assert not part.close.flags.writeable and part.close.tolist() == [2.0, 3.0]


def write_wrong(path: Path, wrong: str) -> None:
    """Bars whose line 200,001 is wrong, after a blank line 10."""
    write_bars(path, None)
    lines = path.read_text().split("\n")
    cells = lines[199_999].split(",")
    cells = {"date": ['"soon"', *cells[1:]], "long": [*cells, "1"], "short": cells[:4]}.get(wrong, [*cells[:-1], wrong])
    lines[199_999] = ",".join(cells)
    lines.insert(9, "")
    path.write_text("\n".join(lines), errors="surrogateescape")


@pytest.mark.parametrize(
    ("wrong", "refusal"),
    [
        ("date", r"a date must be readable; line 200001 has 'soon'"),
        ("long", r"a line has at most the header's 6 cells; line 200001 of 'bars' has 7\. Quote or correct it\."),
        ("short", r"a line of a large file has the header's 6 cells; line 200001 of 'bars' has 4\."),
        ("\0", r"'bars' holds binary data after line 199\d\d\d\. "),
        ("\udcff", r"a large file is UTF-8; 'bars' is not, somewhere after line 199\d\d\d\. "),
    ],
)
def test_a_wrong_line_of_a_large_file_is_named_and_takes_bounded_memory(
    wrong: str, refusal: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bars.csv"
    write_wrong(path, wrong)
    monkeypatch.setattr(sources, "LARGE", 1_000_000)
    monkeypatch.setattr(large, "_HEAD", 1 << 14)
    monkeypatch.setattr(large, "_BLOCK", 1 << 14)
    with traced() as peak:
        with pytest.raises(DataError, match=refusal):
            read_prices(path)
        taken = peak()
    assert taken < (7 if wrong == "date" else 2) * path.stat().st_size  # of dates, the text is kept as well


def test_dates_in_blocks_are_those_of_the_whole() -> None:
    days = np.arange("1900-01-01", "2060-01-01", dtype="M8[D]")
    cells = days.astype(str).astype(object)
    cells[[3, 40_000]] = ["soon", "1 March 2009"]
    dates = parse_dates(pa.chunked_array([pa.array(cells, pa.large_string())]), "date", Findings())
    days[[3, 40_000]] = [np.datetime64("NaT", "D"), np.datetime64("2009-03-01")]
    np.testing.assert_array_equal(dates.stamps.astype("M8[D]"), days)
    assert np.flatnonzero(dates.unreadable).tolist() == [3] and not dates.outside.any()


def test_what_is_too_large_is_refused_as_it_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_BYTES", 3_000_000)
    path = tmp_path / "bomb.csv.gz"
    path.write_bytes(gzip.compress(bytes(200_000_000)))
    endless = io.BufferedReader(Zeros())
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=endless))
    for source, refusal in ((path, "unpacks to at most 2 GB"), ("-", "holds at most 2 GB; standard input is larger")):
        with traced() as peak:
            with pytest.raises(UnreadableSource, match=refusal):
                read_prices(source)
            taken = peak()
        assert taken < 12_000_000


class Zeros(io.RawIOBase):
    """A stream of zeros without an end."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        buffer[:] = bytes(len(buffer))
        return len(buffer)


def test_zeros_are_refused_before_they_are_text(tmp_path: Path) -> None:
    path = tmp_path / "zeros.csv.gz"
    path.write_bytes(gzip.compress(bytes(50_000_000)))
    with traced() as peak:
        with pytest.raises(UnreadableSource, match="binary data"):
            read_prices(path)
        taken = peak()
    assert taken < 80_000_000  # the zeros, which grow by an eighth


def test_a_sheet_is_looked_at_in_parts(tmp_path: Path) -> None:
    path = tmp_path / "bomb.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<a/>")
        with archive.open("xl/worksheets/sheet1.xml", "w") as sheet:
            for _ in range(100):
                sheet.write(bytes(1_000_000))
    with traced() as peak:
        with pytest.raises(UnreadableSource, match="damaged, cut off or locked"):
            read_prices(path)
        taken = peak()
    assert taken < 12_000_000
