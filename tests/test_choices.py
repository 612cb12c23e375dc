"""What the caller says about a source reaches the readers: the order of day and month, the decimal sign, the sheet."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gatecast.errors import UnreadableSource, UsageError
from gatecast.prices import PriceTable, stamp_text
from gatecast.readers.read import read_prices

UNCLEAR = "date;close\n01/02/2021;1,234\n02/02/2021;1,250\n05/02/2021;1,260\n"


def read(tmp_path: Path, text: str, *, day_first: bool | None = None, decimal: str | None = None) -> PriceTable:
    path = tmp_path / "prices.csv"
    path.write_text(text)
    return read_prices(path, day_first=day_first, decimal=decimal)


@pytest.mark.parametrize(
    ("day_first", "days"), [(True, ("2021-02-01", "2021-02-05")), (False, ("2021-01-02", "2021-05-02"))]
)
@pytest.mark.parametrize(("decimal", "close"), [(",", 1.234), (".", 1234.0)])
def test_day_first_and_decimal_decide(
    day_first: bool, days: tuple[str, str], decimal: str, close: float, tmp_path: Path
) -> None:
    (series,) = read(tmp_path, UNCLEAR, day_first=day_first, decimal=decimal)
    assert (stamp_text(series.timestamps[0]), stamp_text(series.timestamps[-1])) == days
    assert series.close[0] == pytest.approx(close)


def test_without_them_the_refusal_names_the_option(tmp_path: Path) -> None:
    with pytest.raises(UnreadableSource, match=r'a comma must be clearly.*Pass decimal="," where'):
        read(tmp_path, UNCLEAR)
    german = "Datum;Schlusskurs\n2021-01-04;1.234\n2021-01-05;1.250\n"
    with pytest.raises(UnreadableSource, match=r'a dot must be clearly.*Pass decimal="," where'):
        read(tmp_path, german)
    assert read(tmp_path, german, decimal=",")["prices"].close[0] == 1234.0
    with pytest.raises(UnreadableSource, match="Pass day_first=True or day_first=False"):
        read(tmp_path, UNCLEAR, decimal=",")


def test_an_order_or_a_sign_that_cannot_be_is_refused(tmp_path: Path) -> None:
    days = "".join(f"2021-01-{day}".replace("2021-01", "01") + f"-2021,{day}.5\n" for day in range(13, 29))
    with pytest.raises(UnreadableSource, match=r"'01-13-2021', which is not day first.*day_first=False"):
        read(tmp_path, "date,close\n" + days, day_first=True)
    with pytest.raises(UnreadableSource, match=r"1234\.5.*decimal=\"\.\""):
        read(tmp_path, "date;close\n2021-01-04;1234.5\n2021-01-05;1250.5\n", decimal=",")


def test_a_decimal_sign_holds_for_columns_that_say_nothing(tmp_path: Path) -> None:
    text = "date;close;volume\n2021-01-04;1.5;1.234\n2021-01-05;2.5;1.250\n"
    assert read(tmp_path, text, decimal=".")["prices"].volume is not None
    assert read(tmp_path, text, decimal=".")["prices"].volume[0] == pytest.approx(1.234)


def test_a_sheet_is_part_of_a_spreadsheet(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_text("date,close\n2021-01-04,1\n")
    with pytest.raises(UsageError, match="a sheet is part of a spreadsheet"):
        read_prices(path, sheet="Prices")


def test_a_dot_that_may_divide_thousands_is_said_once(tmp_path: Path) -> None:
    days = [f"2021-01-{day:02};1.23{day % 10};2.34{day % 10}\n" for day in range(4, 9)]
    table = read(tmp_path, "date;A;B\n" + "".join(days))
    (note,) = table.all_notes()
    assert note.text.startswith("read '1.234' in column 'A' and 1 other column with a dot as decimal sign")
    assert not read(tmp_path, "date;A;B\n" + "".join(days), decimal=".").all_notes()
    assert read(tmp_path, "date;A;B\n" + "".join(days), decimal=",")["A"].close[0] == 1234.0


def test_prices_with_a_currency_below_title_lines(tmp_path: Path) -> None:
    days = [f"June {day:02}, 2021;R$ 1{day},5;x\n" for day in range(4, 9)]
    table = read(tmp_path, "Export of prices\n\nc0;c1;c2\n" + "".join(days))
    assert table.item_ids == ("c1",) and table["c1"].close[0] == 14.5


WEEKS = [f"2024-{month:02}-{day:02}" for month in range(1, 6) for day in range(1, 28)]
FULL = "Date,Open,Close,Volume\n" + "".join(f"{day},9.{at},{at}.5,{at % 7}00\n" for at, day in enumerate(WEEKS, 20))
WIDE = "Date,AAPL,MSFT\n" + "".join(f"{day},9.{at},{at}.5\n" for at, day in enumerate(WEEKS, 20))
BARE = FULL.partition("\n")[2]


@pytest.mark.parametrize(
    ("text", "said", "refusal"),
    [
        (
            FULL,
            {"volume": "Close"},
            r"^a table needs a close; 'Close' was given as the volume,.* Name another column as",
        ),
        (WIDE, {"close": "Nope"}, r'such as close="AAPL"\.$'),
        (BARE, {"header": False, "close": "9"}, r'such as close="2"\.$'),
        (FULL, {"date": "Nope"}, r'such as date="Date"\.$'),
        (FULL, {"item": "Nope"}, r"Pass one of these\.$"),
        (FULL.replace("\n2", "\nX,2").replace("Date", "Kind,Date"), {"item": "Nope"}, r'such as item="Kind"\.$'),
        (FULL, {"item": "Date"}, r"^one column can't hold both dates and assets; 'Date'"),
        (FULL, {"item": "Close"}, r"column 'Close', given as the item, has 135 different cells in 135 rows\."),
        (FULL, {"decimal": ","}, r'Pass decimal="\." or leave it out\.$'),
        ("5\n6\n", {}, r"has a single column, which begins with '5'\. Give both, separated by commas\.$"),
    ],
)
def test_a_refusal_offers_what_can_help(text: str, said: dict[str, Any], refusal: str, tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_text(text)
    with pytest.raises(UnreadableSource, match=refusal):
        read_prices(path, **said)


@pytest.mark.parametrize("date", ["", pd.NaT, None, datetime.time(10)])
def test_a_column_without_dates_is_not_taken_for_several_assets(date: object) -> None:
    frame = pd.DataFrame({"Date": [date] * 700, "Close": np.arange(1.0, 701.0)})
    with pytest.raises(
        UnreadableSource, match="needs a date; column 'Date' has none|must hold dates; column 'Date' has '10"
    ):
        read_prices(frame)


@pytest.mark.parametrize("kind", ["frame", "parquet", "json"])
@pytest.mark.parametrize("said", [{"header": False}, {"decimal": ","}, {"decimal": "."}, {"day_first": True}])
def test_what_does_not_apply_to_a_source_is_refused(kind: str, said: dict[str, Any], tmp_path: Path) -> None:
    frame = pd.DataFrame({"date": pd.bdate_range("2024-01-02", periods=30), "close": np.arange(1.0, 31.0)})
    path = tmp_path / f"prices.{kind}"
    if kind == "parquet":
        frame.to_parquet(path)
    else:
        path.write_text(json.dumps([{"date": day.value // 10**6, "close": 1.0 + day.day} for day in frame["date"]]))
    source = frame if kind == "frame" else path
    assert len(next(iter(read_prices(source)))) == 30
    ((option, value),) = said.items()
    with pytest.raises(UsageError, match=f"^{option}=\\W?{value}.* Leave it out\\.$"):
        read_prices(source, **said)


def test_what_says_how_text_is_read_applies_to_text_in_a_frame() -> None:
    frame = pd.DataFrame({"date": ["01/02/2024", "02/02/2024"], "close": ["1,234", "1,250"]})
    (series,) = read_prices(frame, decimal=",", day_first=True)
    assert series.close.tolist() == [1.234, 1.25] and stamp_text(series.timestamps[0]) == "2024-02-01"


def test_a_break_in_a_columns_name_is_a_space(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_text('date,"A\nB",X\n' + "".join(f"2024-01-{day},{day * day},{day}.5\n" for day in range(10, 30)))
    assert read_prices(path).item_ids == ("A B", "X")
