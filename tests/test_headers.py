"""Which rows are the header: two levels of names, rows of units, lines of a title and tables side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from conftest import texts
from gatecast.errors import UnreadableSource
from gatecast.prices import PriceTable
from gatecast.readers.read import read_prices

DAYS = [f"2025-03-{day:02}" for day in range(3, 29) if day % 7 not in (1, 2)]
CLOSES = [round(100 + 3 * float(np.sin(at)), 2) for at in range(len(DAYS))]
BOTH = [f"{day},{close},{2 * close},7,8" for day, close in zip(DAYS, CLOSES, strict=True)]  # closes, then volumes
IN_TURN = [f"{day},{close},7,{2 * close},8" for day, close in zip(DAYS, CLOSES, strict=True)]
ONE = [f"{day},{close},7" for day, close in zip(DAYS, CLOSES, strict=True)]


def read(folder: Path, *lines: str) -> PriceTable:
    path = folder / "ACME.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return read_prices(path)


@pytest.mark.parametrize(
    ("header", "rows"),
    [
        ([",AAA US Equity,AAA US Equity,BBB,BBB", "Dates,PX_LAST,PX_VOLUME,PX_LAST,PX_VOLUME"], IN_TURN),
        ([",AAA US Equity,,BBB,", "Dates,PX_LAST,PX_VOLUME,PX_LAST,PX_VOLUME"], IN_TURN),
        (["Date,AAA US Equity,,BBB,", ",Close,Volume,Close,Volume"], IN_TURN),
        ([",Close,Close,Volume,Volume", "Date,AAA US Equity,BBB,AAA US Equity,BBB"], BOTH),
        (["Export of 28 March,,,,", "", ",Close,,Volume,", "Date,AAA US Equity,BBB,AAA US Equity,BBB"], BOTH),
    ],
    ids=["assets over fields", "merged cells", "blank below the date", "fields over assets", "below a title"],
)
def test_a_row_of_names_above_the_header_is_its_other_level(header: list[str], rows: list[str], tmp_path: Path) -> None:
    table = read(tmp_path, *header, *rows)
    assert table.item_ids == ("AAA US Equity", "BBB")
    for series, factor, volume in zip(table, (1, 2), (7, 8), strict=True):
        assert series.close.tolist() == [factor * close for close in CLOSES]
        assert series.volume is not None and set(series.volume) == {volume}


def test_one_asset_over_two_fields(tmp_path: Path) -> None:
    table = read(tmp_path, ",AAA,AAA", ",Last_Price,Volume", *ONE)
    assert table.item_ids == ("AAA",)
    assert table["AAA"].close.tolist() == CLOSES


@pytest.mark.parametrize("title", ["Prices of ACME,,", "ACME,Daily,USD", ",ACME,"])
def test_a_title_is_no_level(title: str, tmp_path: Path) -> None:
    table = read(tmp_path, title, "Date,Close,Volume", *ONE)
    assert table.item_ids == ("ACME",)
    assert table["ACME"].close.tolist() == CLOSES


def test_tables_side_by_side_are_an_asset_each(tmp_path: Path) -> None:
    rows = [f"{day},{close},,{other},{2 * close}" for day, other, close in zip(DAYS, DAYS[5:], CLOSES, strict=False)]
    rows += [f"{day},{close},,," for day, close in list(zip(DAYS, CLOSES, strict=True))[len(rows) :]]
    table = read(tmp_path, "AAA,,,BBB,", "Date,PX_LAST,,Date,PX_LAST", *rows)
    assert table.item_ids == ("AAA", "BBB")
    assert table["AAA"].close.tolist() == CLOSES
    assert table["BBB"].close.tolist() == [2 * close for close in CLOSES[:-5]]
    assert [str(day)[:10] for day in table["BBB"].timestamps] == DAYS[5:]
    assert "read 2 tables side by side, an asset each." in texts(table.notes)
    with pytest.raises(UnreadableSource, match="a name above each; this one has 2 columns 'Date'"):
        read(tmp_path, ",,,,", "x,,,,", "Date,PX_LAST,,Date,PX_LAST", *rows)


@pytest.mark.parametrize(
    ("names", "units"),
    [("Date,Close,Volume", ",USD,shares"), ("Date,Close,Volume", "yyyy-mm-dd,USD,shares"),
     ("Date,Close,Volume", ",per ounce,thousand lots")],
)  # fmt: skip
def test_a_row_of_units_is_skipped(names: str, units: str, tmp_path: Path) -> None:
    table = read(tmp_path, names, units, *ONE)
    assert table.item_ids == ("ACME",)
    assert table["ACME"].volume is not None and set(table["ACME"].volume) == {7}
    assert "skipped line 2: it holds units." in texts(table.notes)


def test_assets_that_are_called_as_units_are_no_units(tmp_path: Path) -> None:
    table = read(tmp_path, "Date,Close,Close", ",BTC,ETH", *ONE)
    assert table.item_ids == ("BTC", "ETH")


def test_a_date_in_a_title_block_does_not_end_it(tmp_path: Path) -> None:
    title = ["Title,Rate,Index", "Units,USD,Index", "Source,Reuters,RBA", "Published,20-Nov-2026,20-Nov-2026"]
    table = read(tmp_path, *title, "Series ID,FXRUSD,FXRTWI", *(f"{row[:-1]}1{row[-3]}" for row in ONE))
    assert table.item_ids == ("FXRUSD", "FXRTWI")


@pytest.mark.parametrize("dates", [DAYS, [str(year) for year in range(1990, 2010)]], ids=["days", "years"])
def test_dates_side_by_side_are_refused(dates: list[str], tmp_path: Path) -> None:
    closes = ",".join(map(str, CLOSES))
    with pytest.raises(UnreadableSource, match=rf"side by side, from '{dates[0]}' on\. Transpose the table") as refusal:
        read(tmp_path, "Source,Bank,", "", f"Name,Code,{','.join(dates)},", f"Brazil,BRA,{closes},")
    assert "\n" not in str(refusal.value)


def test_groups_of_columns_above_the_header_are_no_assets(tmp_path: Path) -> None:
    rows = [f"{day},{close},{close},7" for day, close in zip(DAYS, CLOSES, strict=True)]
    (series,) = read(tmp_path, ",Prices,Prices,Trading", "Date,Open,Close,Volume", *rows)
    assert series.item_id == "ACME"
    assert set(series.columns()) == {"open", "close", "volume"}


def test_an_asset_without_prices_is_named(tmp_path: Path) -> None:
    rows = [f"{day},{close},7,3" for day, close in zip(DAYS, CLOSES, strict=True)]
    table = read(tmp_path, ",AAA,AAA,BBB", "Date,Close,Volume,Volume", *rows)
    assert table.item_ids == ("AAA",)
    assert "left out 'BBB': no column of prices." in texts(table.notes)
