"""Numbers and dates as exchanges, brokers, banks and statistics offices spell them."""

# ruff: noqa: RUF001 - words of many scripts

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from conftest import texts
from gatecast import read_prices
from gatecast.errors import DataError, UnreadableSource
from gatecast.prices import PriceTable
from gatecast.readers.date_cells import Cells
from gatecast.readers.dates import parse_dates
from gatecast.readers.findings import Findings

TODAY = datetime.date(2026, 11, 27)
_MAKE = Cells.__init__
DAYS = ("2026-11-18", "2026-11-19", "2026-11-20")


def read(folder: Path, text: str, **options: object) -> PriceTable:
    path = folder / "prices.csv"
    path.write_text(text, encoding="utf-8")
    return read_prices(str(path), today=TODAY, **options)


def dates(cells: list[str]) -> tuple[list[str], tuple[str, ...]]:
    """Timestamps of cells to the second, and the notes."""
    findings = Findings()
    stamps = parse_dates(pa.chunked_array([pa.array(cells, pa.large_string())]), "Date", findings).stamps
    return [str(stamp.astype("datetime64[s]")).removesuffix("T00:00:00") for stamp in stamps], texts(findings.notes)


@pytest.mark.parametrize(
    ("cells", "last"),
    [
        (["1,26,421.44", "1,26,500.00", "1,26,433.22"], 126433.22),
        (["1'234.5", "1'235.5", "1'236.25"], 1236.25),
        (["1\u2019234.5", "1\u2019235.5", "1\u2019236.25"], 1236.25),
        (["R$ 142,32", "R$ 143,00", "R$ 143,32"], 143.32),
        (["142.32 €", "143.00 €", "143.32 €"], 143.32),
        (["USD 11", "USD 11.5", "USD 12"], 12),
        (["11,50 kr", "11,75 kr", "12,00 kr"], 12),
        (["1,18 zł", "1,19 zł", "1,20 zł"], 1.2),
        (["14.7K", "14.8K", "14.9K"], 14900),
        (["1,23 Mio", "1,24 Mio", "1,25 Mio"], 1.25e6),
        (["3万", "3.1万", "3.2万"], 32000),
        (["120,40\u00a0€", "121,40\u00a0€", "122,40\u00a0€"], 122.4),
        (["€\u202f120,40", "€\u202f121,40", "€\u202f122,40"], 122.4),
        (["R$\u00a01.120,40", "R$\u00a01.121,40", "R$\u00a01.122,40"], 1122.4),
        (["R 120.4", "R 121.4", "R 122.4"], 122.4),
        (["120.4p", "121.4p", "122.4p"], 122.4),
        (["98,25%", "98,75%", "99,25%"], 99.25),
        (["\uff11\uff12\uff0e\uff15", "\uff11\uff12\uff0e\uff16", "\uff11\uff12\uff0e\uff17"], 12.7),
        (["'12.5", "'12.6", "'12.7"], 12.7),
    ],
)
def test_numbers_of_many_countries(tmp_path: Path, cells: list[str], last: float) -> None:
    rows = "\n".join(f"{day};{cell}" for day, cell in zip(DAYS, cells, strict=True))
    assert read(tmp_path, f"date;close\n{rows}\n")["prices"].close[-1] == pytest.approx(last)


def test_volumes_in_indian_groups_and_billions(tmp_path: Path) -> None:
    text = 'date,close,volume\n2026-11-18,1.5,"14,88,984"\n2026-11-19,1.6,3B\n2026-11-20,1.7,1.2M\n'
    assert read(tmp_path, text)["prices"].volume.tolist() == [1_488_984, 3e9, 1.2e6]


def test_volumes_with_a_space_of_typesetting_before_millions(tmp_path: Path) -> None:
    text = "date,close,volume\n2026-11-18,1.5,1.49\u00a0M\n2026-11-19,1.6,1.5\u202fMio.\n2026-11-20,1.7,1.6MM\n"
    assert read(tmp_path, text)["prices"].volume.tolist() == pytest.approx([1.49e6, 1.5e6, 1.6e6])


def test_one_price_with_a_letter_among_plain_ones_is_a_slip(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="close must be a number; 'prices' has close '50.5k'"):
        read(tmp_path, "date,close\n2026-11-18,50.1\n2026-11-19,50.5k\n2026-11-20,50.2\n")


def test_one_cell_in_another_currency_is_no_price(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="close must be a number; 'prices' has close '€51'"):
        read(tmp_path, "date,close\n2026-11-18,$50\n2026-11-19,€51\n2026-11-20,$52\n")


def test_one_cell_with_a_currency_among_plain_ones_is_no_price(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"close must be a number; 'prices' has close '\$51'"):
        read(tmp_path, "date,close\n2026-11-18,50\n2026-11-19,$51\n2026-11-20,52\n")


def test_a_currency_sign_is_named_in_a_note(tmp_path: Path) -> None:
    table = read(tmp_path, "date,close\n2026-11-19,US$50\n2026-11-20,US$51\n")
    assert texts(table.notes) == ("ignored the currency sign 'US$' in column 'close'.",)


def test_a_currency_sign_in_several_columns_is_named_once(tmp_path: Path) -> None:
    table = read(tmp_path, "date,AAA,BBB\n2026-11-19,$50,$7\n2026-11-20,$51,$8\n")
    assert texts(table.notes) == ("ignored the currency sign '$' in columns 'AAA', 'BBB'.",)


def test_percentages_of_a_wide_table_are_no_assets(tmp_path: Path) -> None:
    table = read(tmp_path, "date,AAA,AAA %,BBB,chg_pct\n2026-11-19,50,1.2,7,0.5\n2026-11-20,51,2,8,0.25\n")
    assert table.item_ids == ("AAA", "BBB")
    assert "ignored columns of percentages: 'AAA %', 'chg_pct'." in texts(table.notes)


@pytest.mark.parametrize("form", ["%b-%y", "%b %y", "%Y-%b", "%B %Y", "%m/%Y", "%YM%m", "%Y.%m", "%Y%m", "%Y年%m月"])
def test_months(form: str) -> None:
    months = pd.date_range("2006-01-01", periods=30, freq="MS")
    assert dates(list(months.strftime(form)))[0] == [str(month.date()) for month in months]


@pytest.mark.parametrize("form", ["{0}Q{1}", "{0}-Q{1}", "Q{1} {0}", "{1}Q{0}", "{0}T{1}"])
def test_quarters_begin_on_their_first_day(form: str) -> None:
    quarters = pd.period_range("1990Q1", periods=8, freq="Q")
    stamps, notes = dates([form.format(quarter.year, quarter.quarter) for quarter in quarters])
    assert stamps == [str(quarter.start_time.date()) for quarter in quarters]
    assert notes == (f"read dates such as {form.format(1990, 1)} as the first day of the quarter.",)


def test_weeks_are_their_monday() -> None:
    stamps, notes = dates(["2026-W46", "2026-W47", "2026W48"])
    assert stamps == ["2026-11-09", "2026-11-16", "2026-11-23"]
    assert "Monday" in notes[0]


def test_years() -> None:
    assert dates(["1999", "2000", "2001"])[0] == ["1999-01-01", "2000-01-01", "2001-01-01"]


def test_a_year_among_days_is_a_date_cut_short() -> None:
    assert dates(["20261118", "20261119", "2026"])[0] == ["2026-11-18", "2026-11-19", "NaT"]


def test_day_counts_of_spreadsheets() -> None:
    stamps, notes = dates(["46344", "46345.5", "46346"])
    assert stamps == ["2026-11-18", "2026-11-19T12:00:00", "2026-11-20"]
    assert notes == ("read dates such as 46346 as a spreadsheet's serial day, here 2026-11-20.",)


def test_a_day_count_that_may_begin_in_1900_or_1970_is_refused() -> None:
    with pytest.raises(UnreadableSource, match="1956-11-18 in a spreadsheet and 2026-11-20 if counted since 1970"):
        dates(["20775", "20776", "20777"])


def test_a_month_and_a_day_without_a_year_are_refused() -> None:
    with pytest.raises(UnreadableSource, match="a date needs a year; column 'Date' has 'Nov 16'"):
        dates(["Nov 16", "Nov 17", "Nov 18", "Nov 19", "Nov 20", "Nov 23", "Dec 01"])


@pytest.mark.parametrize(
    ("cell", "right"),
    [
        ("20261120", "2026-11-20"),
        ("20261120.0", "2026-11-20"),
        ("20261120  09:30:00", "2026-11-20T09:30:00"),
        ("2026-11-20  09:30", "2026-11-20T09:30:00"),
        ("20261120 09:30:00 US/Eastern", "2026-11-20T09:30:00"),
        ("2026-11-20 09:30:00 America/New_York", "2026-11-20T09:30:00"),
        ("20.11.2026 09:30:00.000 GMT+0100", "2026-11-20T08:30:00"),
        ("20.11.2026 00:00:00.000 GMT+0100", "2026-11-20"),
        ("2026-11-20T09:30:00+01:00[Europe/Berlin]", "2026-11-20T09:30:00"),
        ("2026-11-20 09:30:00-05", "2026-11-20T09:30:00"),
        ("2026-11-20 09:30 AM", "2026-11-20T09:30:00"),
        ("20. Nov. 2026", "2026-11-20"),
        ("20 nov. 2026", "2026-11-20"),
        ("3. März 2026", "2026-03-03"),
        ("20 de noviembre de 2026", "2026-11-20"),
        ("20 ноя 2026", "2026-11-20"),
        ("2026年11月20日", "2026-11-20"),
        ("2026. 11. 20.", "2026-11-20"),
        ("2026- 11- 20", "2026-11-20"),
        ("2026-11-20 09:30 Mars/Olympus", "NaT"),
        ("20. 11. 2026", "2026-11-20"),
        ("20.11. 2026", "2026-11-20"),
        ("20.11.2026.", "2026-11-20"),
        ("2026. november 20.", "2026-11-20"),
        ("20 ноября 2026 г.", "2026-11-20"),
        ("20.11.2026 г.", "2026-11-20"),
        ("20NOV2026:09:30:00", "2026-11-20T09:30:00"),
        ('="2026-11-20"', "2026-11-20"),
        ("'2026-11-20", "2026-11-20"),
        ("2026\u201311\u201320", "2026-11-20"),
        ("\u200e20/11/2026", "2026-11-20"),
        ("\uff12\uff10\uff12\uff16-\uff11\uff11-\uff12\uff10", "2026-11-20"),
        ("Nov 20 '26", "2026-11-20"),
        ("2026-11-20 11-PM", "2026-11-20T23:00:00"),
        ("2026-11-20 17h35", "2026-11-20T17:35:00"),
        ("2026. 11. 20. 오후 3:30", "2026-11-20T15:30:00"),
        ("20 thg 11, 2026", "2026-11-20"),
        ("ngày 20 tháng 11 năm 2026", "2026-11-20"),
        ("Thg 11 20, 2026", "2026-11-20"),
        ("Fr, 20.11.2026", "2026-11-20"),
        ("Fri 11/20/2026", "2026-11-20"),
        ("vendredi 20 novembre 2026", "2026-11-20"),
        ("2026-11-20 星期五", "2026-11-20"),
        ("martes 24 marzo 2026", "2026-03-24"),
        ("739959", "NaT"),  # days since the year 0, as Matlab counts them
    ],
)
def test_days_and_times(cell: str, right: str) -> None:
    assert dates([cell])[0] == [right]


def test_named_zones_keep_an_hour_that_repeats_apart() -> None:
    stamps, _ = dates(["2026-11-01 01:30 EDT", "2026-11-01 01:30 EST", "2026-11-01 02:30 EST"])
    assert stamps == ["2026-11-01T05:30:00", "2026-11-01T06:30:00", "2026-11-01T07:30:00"]


@pytest.mark.parametrize(("form", "order"), [("%d/%m/%Y", "day"), ("%m/%d/%Y", "month")])
def test_the_only_even_order_of_day_and_month_is_taken(form: str, order: str) -> None:
    months = pd.date_range("2006-01-01", periods=30, freq="MS")
    stamps, notes = dates(list(months.strftime(form)))
    assert stamps == [str(month.date()) for month in months]
    assert notes == (f"read dates such as 01/01/2006 as {order} first, because only so they are evenly spaced.",)


def test_two_even_orders_of_day_and_month_are_refused() -> None:
    with pytest.raises(UnreadableSource, match="the order of day and month must be clear"):
        dates([f"01/{month:02d}/2021" for month in range(1, 13)])


def test_a_volume_is_no_date_where_another_column_is_a_better_one(tmp_path: Path) -> None:
    volumes = [2729956000, 1729956000, 3729956000, 2129956000]
    stamps = np.datetime64("2026-11-16", "ms") + np.arange(4) * np.timedelta64(86_400_000, "ms")
    rows = "".join(
        f"{volume},{close},{stamp}\n"
        for volume, close, stamp in zip(volumes, range(50, 54), stamps.astype(int), strict=True)
    )
    table = read(tmp_path, f"volume,close,when\n{rows}\n")
    assert str(table["prices"].timestamps[-1])[:10] == "2026-11-19"
    assert table["prices"].volume is not None


def test_numbers_and_dates_of_real_layouts(shared_data: Path) -> None:
    cases = shared_data / "cases"
    for file, close, day, word in (
        ("nse_india.csv", 1433.22, "2026-11-20", ""),
        ("brazil_reais.csv", 143.32, "2026-11-20", "currency sign 'R$'"),
        ("excel_serial_dates.csv", 143.32, "2026-11-20", "46346 as a spreadsheet's serial day, here 2026-11-20"),
        ("monthly_worldbank_1960M01.csv", 16.26, "2026-10-01", "first day of the month"),
        ("quarterly_2024Q1.csv", 114.99, "2026-07-01", "first day of the quarter"),
        ("dukascopy_local.csv", 1.0873, "2026-11-20", "time zone"),
        ("plain.xlsx", 155.4239, "2026-11-20", ""),
        ("plain.json", 155.4239, "2026-11-20", ""),
    ):
        (series,) = read_prices(str(cases / file), today=TODAY).series
        assert series.close[-1] == pytest.approx(close), file
        assert str(series.timestamps[-1])[:10] == day, file
        assert any(word in note.text for note in read_prices(str(cases / file), today=TODAY).all_notes()) or not word
    nse = read_prices(str(cases / "nse_india.csv"), today=TODAY).series[0]
    assert nse.volume is not None and nse.volume[-1] == 1_488_984


@pytest.mark.parametrize("form", ["%Y.%m.%d %H:%M", "%d/%m/%Y %H:%M:%S", "%Y%m%d  %H:%M:%S"])
def test_a_long_column_is_read_as_a_short_one_is(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = list(pd.date_range("2026-11-01 09:31", periods=300, freq="97min").strftime(form))
    short, _ = dates(cells)
    monkeypatch.setattr("gatecast.readers.dates._MANY", 100)
    monkeypatch.setattr("gatecast.readers.date_cells.Cells.__init__", _few_cells)
    assert dates(cells)[0] == short
    assert dates([*cells[:-1], "2026.11.20 29:61"])[0][-1] == "NaT"


def _few_cells(cells: Cells, text: list[str], column: str, findings: Findings, day_first: bool | None) -> None:
    """As it is, but for few distinct cells only: the days of a long column, never its days and times."""
    assert len(text) < 50
    _MAKE(cells, text, column, findings, day_first)


@pytest.mark.parametrize("unit", ["s", "ms", "us"])
def test_a_long_column_of_counts_is_read_as_a_short_one_is(unit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = pd.date_range("2026-11-01", periods=300, freq="97min").to_numpy().astype(f"M8[{unit}]").astype(float)
    short = parse_dates(counts, "t", Findings()).stamps
    monkeypatch.setattr("gatecast.readers.dates._MANY", 100)
    findings = Findings()
    assert parse_dates(counts, "t", findings).stamps.tolist() == short.tolist()
    assert "since 1970" in findings.notes[0].text


@pytest.mark.parametrize("form", ["%y.%m.%d", "%y/%m/%d", "%y-%m-%d", "%y%m%d"])
def test_years_of_two_digits_may_stand_first(form: str) -> None:
    days = pd.bdate_range("2024-06-03", "2026-11-20")
    stamps, notes = dates(list(days.strftime(form)))
    assert stamps == [str(day.date()) for day in days]
    assert notes == (f"read dates such as {days[0]:{form}} as year first.",)


def test_uneven_months_are_no_days() -> None:
    assert dates(["200601", "200603", "200607", "200612", "200701", "200712"])[0] == ["NaT"] * 6


@pytest.mark.parametrize("form", ["%d.%m.%y", "%m/%d/%y"])
def test_years_of_two_digits_that_stand_last_stay_there(form: str) -> None:
    for days in (pd.bdate_range("2024-06-03", "2026-11-20"), pd.bdate_range("2026-11-02", "2026-11-20")):
        assert dates(list(days.strftime(form)))[0] == [str(day.date()) for day in days]


def test_a_year_that_may_stand_first_or_last_is_refused() -> None:
    with pytest.raises(UnreadableSource, match=r"order of day, month and year must be clear; column 'Date' has '26"):
        dates([f"26.11.{day:02}" for day in range(16, 28)])
    assert read_prices(
        pd.DataFrame({"Date": [f"26.11.{year:02}" for year in range(5, 25)], "Close": 1.5}), day_first=True
    )["item"].timestamps[0] == np.datetime64("2005-11-26")


@pytest.mark.parametrize(
    "names",
    [
        "січня лютого березня квітня травня червня липня серпня вересня жовтня листопада грудня",
        "jan. febr. márc. ápr. máj. jún. júl. aug. szept. okt. nov. dec.",
        "ianuarie februarie martie aprilie mai iunie iulie august septembrie octombrie noiembrie decembrie",
        "tammi helmi maalis huhti touko kesä heinä elo syys loka marras joulu",
        "Ιανουαρίου Φεβρουαρίου Μαρτίου Απριλίου Μαΐου Ιουνίου Ιουλίου Αυγούστου Σεπτεμβρίου Οκτωβρίου Νοεμβρίου "
        "Δεκεμβρίου",
        "siječnja veljače ožujka travnja svibnja lipnja srpnja kolovoza rujna listopada studenoga prosinca",
        "sij velj ožu tra svi lip srp kol ruj lis stu pro",
        "Jan Feb Mar Apr Mei Jun Jul Ags Sep Okt Nov Des",
        "ledna února března dubna května června července srpna září října listopadu prosince",
        "led úno bře dub kvě čvn čvc srp zář říj lis pro",
        "stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia",
        "sty lut mar kwi maj cze lip sie wrz paź lis gru",
    ],
)
def test_months_have_names_in_many_languages(names: str) -> None:
    for year in ("2026", "1999"):
        right = [f"{year}-{month:02}-20" for month in range(1, 13)]
        assert dates([f"20 {name} {year}" for name in names.split()])[0] == right


def test_a_word_before_dates_that_is_no_weekday_keeps_them_unreadable() -> None:
    assert dates(["Stand 20.11.2026", "Stand 19.11.2026", "Stand 18.11.2026"])[0] == ["NaT"] * 3


def test_years_of_taiwan_are_told_by_three_digits() -> None:
    stamps, notes = dates(["99/12/31", "100/01/03", "100/01/04", "100/01/05"])
    assert stamps == ["2010-12-31", "2011-01-03", "2011-01-04", "2011-01-05"]
    assert notes == ("read dates such as 100/01/03 as years of Taiwan, here 2011-01-03.",)
    assert dates(["18/11/20", "19/11/20", "115/11/20", "21/11/20"])[0][2] == "NaT"  # a slip


def test_october_that_lost_its_zero() -> None:
    written = [*(f"{month:02}" for month in range(1, 10)), "1", "11", "12"]
    months = [f"{year}.{month}" for year in (2010, 2011) for month in written]
    stamps, notes = dates(months)
    assert stamps == [str(month.date()) for month in pd.date_range("2010-01-01", periods=24, freq="MS")]
    assert notes == ("read dates such as 2010.1 as October.",)


def test_a_table_without_a_readable_date_names_the_first(tmp_path: Path) -> None:
    with pytest.raises(UnreadableSource, match="column 'date' has 'R8.11.19' at line 2"):
        read(tmp_path, "date,close\nR8.11.19,\u2460\nR8.11.20,\u2461\n")
