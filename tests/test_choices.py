"""What the caller says about a source reaches the readers: the order of day and month, the decimal sign, the sheet."""

from __future__ import annotations

from pathlib import Path

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
