"""Lines without a price - titles, footnotes, dividends, splits, averages - are found and said; no priced day goes."""

from __future__ import annotations

import datetime
from pathlib import Path

import pandas as pd
import pytest

from conftest import texts
from gatecast.errors import UnreadableSource, UnsafeData
from gatecast.readers.read import read_prices

DAYS = [f"{day:%Y-%m-%d}" for day in pd.bdate_range("2021-01-04", periods=30)]  # the last is 2021-02-12
HEAD = "Date,Open,High,Low,Close,Volume"
ROWS = [f"{day},{50 + at},{51 + at},{49 + at},{50 + at},{1000 + at}" for at, day in enumerate(DAYS)]


def read(path: Path, *lines: str) -> tuple[int, float, str]:
    """How many rows a file of these lines has, its last close, and its notes."""
    path.write_text("\n".join(lines) + "\n")
    (series,) = (table := read_prices(path))
    return len(series), float(series.close[-1]), " ".join(texts(table.all_notes()))


@pytest.mark.parametrize(
    "line",
    [
        "DAY,0.24 Dividend",
        "DAY,0.24 Dividend,,,,",
        "DAY,0.24 Dividend,0.24 Dividend,0.24 Dividend,0.24 Dividend,0.24 Dividend",  # a cell that spans the row
        "DAY,Dividend,0.24,,,",
        "DAY,Dividend,,,0.24,",
        "DAY,4:1 Stock Splits,,,,",
        "DAY,1/2 reverse split,,,,",
        "DAY,0.24 Dividende,,,,",
        "DAY,Market closed,,,,",
        "DIVIDEND,20210115,0.24",
        "SPLIT,20210115,4:1",
    ],
)
@pytest.mark.parametrize("at", [0, 9, 10, 30])  # before and after the prices, and on either side of those of its day
def test_a_dividend_or_split_line_costs_no_priced_day(line: str, at: int, tmp_path: Path) -> None:
    line = line.replace("DAY", DAYS[min(at, 29)])
    rows, last, notes = read(tmp_path / "X.csv", HEAD, *ROWS[:at], line, *ROWS[at:])
    assert (rows, last) == (30, 79)
    assert f"skipped 1 line with a dividend, a split or a closing in place of prices: line {at + 2} ('" in notes


@pytest.mark.parametrize(
    ("lines", "note"),
    [
        (["*Close price adjusted for splits."], "1 line without a date or price: line 32 ('*Close price adjusted"),
        (["* Adjusted, for splits", "", "(c) X"], "3 lines without a date or price: line 32 ('* Adjusted for splits')"),
        (['"Highest: 5.3","Lowest: 3.2","Average: 4.1"'], "1 line without a date or price: line 32 ('Highest: 5.3"),
        (["Source: A, B, C, in D, all rights, and E"], "1 line without a date or price: line 32 ('Source: A B C"),
        (["Average,51,52,50,51,1000", "Total,,,,,9"], "2 lines with averages or totals in place of prices of a day"),
    ],
)
def test_footnotes_and_averages_are_skipped_and_quoted(lines: list[str], note: str, tmp_path: Path) -> None:
    assert read(tmp_path / "X.csv", HEAD, *ROWS, *lines)[:2] == (30, 79)
    assert "skipped " + note in read(tmp_path / "X.csv", HEAD, *ROWS, *lines)[2]


@pytest.mark.parametrize("blanks", [0, 60])  # within the lines that say how the file is separated, and beyond them
def test_a_long_footnote_may_stand_far_below(blanks: int, tmp_path: Path) -> None:
    path = tmp_path / "X.csv"
    path.write_text("\n".join([HEAD, *ROWS, *[","] * blanks, "Source: A, B, C, in D, all rights, and E, or F, G"]))
    table = read_prices(path)
    assert len(table["X"]) == 30
    assert f"line {32 + blanks} ('Source: A, B, C" in texts(table.notes)[0]


def test_a_title_with_commas_is_skipped(tmp_path: Path) -> None:
    title = "Prices of X, from Y, adjusted, in USD, daily, by Z, and others"
    assert read(tmp_path / "X.csv", title, "", HEAD, *ROWS)[:2] == (30, 79)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("2021-02-15,5,6,4,soon,1", "close must be a number"),
        ("2021-02-15,Dividend cut,81,79,80,1", "open must be a number"),
        ("oops,80,81,79,80,1", "a date must be readable"),
        ("2021-02-15,80,81,79,80,1,7", "more cells than"),
        (HEAD, "a date must be readable"),
    ],
)
def test_a_row_of_prices_with_a_bad_cell_is_still_refused(line: str, words: str, tmp_path: Path) -> None:
    with pytest.raises((UnsafeData, UnreadableSource), match=words):
        read(tmp_path / "X.csv", HEAD, *ROWS, line)


def test_of_several_assets_none_loses_a_price_to_a_word(tmp_path: Path) -> None:
    with pytest.raises(UnsafeData, match="'A' has close 'Dividend' at line 32"):
        read(tmp_path / "X.csv", "Date,A,B", *[f"{day},5,6" for day in DAYS], "2021-02-15,Dividend,6")


def test_a_priced_row_keeps_its_day_whatever_its_volume_says(tmp_path: Path) -> None:
    rows, last, notes = read(tmp_path / "X.csv", HEAD, *ROWS[:29], "2021-02-12,5,6,4,5,suspended")
    assert (rows, last) == (30, 5) and "set the volume to 0 in 1 row" in notes
    with pytest.raises(UnsafeData, match="open must be present"):
        read(tmp_path / "X.csv", HEAD, *ROWS[:29], "2021-02-12,,,,5,suspended")


def test_the_page_of_yahoo_with_dividends(shared_data: Path) -> None:
    path = shared_data / "cases" / "yahoo_page_copy_div_after.tsv"
    (series,) = (table := read_prices(path, today=datetime.date(2026, 11, 27)))
    assert len(series) == 417 and abs(series.close[-1] - 141.8887) < 0.01
    assert "skipped 7 lines with a dividend" in texts(table.notes)[0]
