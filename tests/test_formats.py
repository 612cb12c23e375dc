"""Spreadsheets, JSON, Arrow tables and large files give the prices that the same table gives as CSV."""

# ruff: noqa: RUF001 - words of many scripts

from __future__ import annotations

import datetime
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from conftest import texts
from gatecast import read_prices
from gatecast.errors import UnreadableSource, UnsafeData, UsageError
from gatecast.readers import sources

TODAY = datetime.date(2026, 11, 27)
FRAME = pd.DataFrame(
    {
        "date": pd.bdate_range("2026-09-01", periods=30),
        "open": np.arange(30) + 10.25,
        "high": np.arange(30) + 12.0,
        "low": np.arange(30) + 9.0,
        "close": np.arange(30) + 11.125,
        "volume": np.arange(30) * 100 + 1000,
    }
)
ISO = [str(day.date()) for day in FRAME["date"]]


def check(source: object) -> tuple[str, ...]:
    """The notes of a source that must give the prices of `FRAME`."""
    table = read_prices(source, today=TODAY)
    (series,) = table.series
    assert list(series.columns()) == ["open", "high", "low", "close", "volume"]
    for name, values in series.columns().items():
        assert values.tolist() == FRAME[name].tolist()
    assert series.timestamps.tolist() == FRAME["date"].to_numpy().astype("M8[ns]").tolist()
    return texts(table.all_notes())


def xlsx(sheets: dict[str, list[list[object]]], stray: str = "") -> bytes:
    """A workbook with these rows; `stray` is the reference of a cell far from them, such as XFD1048576."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
        office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
        package = "http://schemas.openxmlformats.org/package/2006/relationships"
        archive.writestr("[Content_Types].xml", "<Types/>")
        root = f'<Relationship Id="r1" Type="{office}/officeDocument" Target="xl/workbook.xml"/>'
        archive.writestr("_rels/.rels", f'<Relationships xmlns="{package}">{root}</Relationships>')
        names = list(sheets)
        entries = "".join(f'<sheet name="{name}" sheetId="{at}" r:id="r{at}"/>' for at, name in enumerate(names, 1))
        archive.writestr(
            "xl/workbook.xml", f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets>{entries}</sheets></workbook>'
        )
        links = "".join(
            f'<Relationship Id="r{at}" Type="{office}/worksheet" Target="worksheets/sheet{at}.xml"/>'
            for at in range(1, len(names) + 1)
        )
        archive.writestr("xl/_rels/workbook.xml.rels", f'<Relationships xmlns="{package}">{links}</Relationships>')
        for at, rows in enumerate(sheets.values(), 1):
            body = "".join(
                f'<row r="{row}">' + "".join(cell(value, row, column) for column, value in enumerate(values)) + "</row>"
                for row, values in enumerate(rows, 1)
            )
            far = f'<row r="{stray.lstrip("XFD")}"><c r="{stray}"><v>1</v></c></row>' if stray else ""
            archive.writestr(
                f"xl/worksheets/sheet{at}.xml",
                f'<worksheet xmlns="{main}"><sheetData>{body}{far}</sheetData></worksheet>',
            )
    return packed.getvalue()


def cell(value: object, row: int, column: int) -> str:
    place = f"{chr(65 + column)}{row}"
    if isinstance(value, str):
        return f'<c r="{place}" t="inlineStr"><is><t>{value}</t></is></c>'
    return f'<c r="{place}"><v>{value}</v></c>'


def rows(dates: list[object]) -> list[list[object]]:
    table = FRAME.drop(columns="date").to_numpy().tolist()
    return [list(FRAME.columns), *([date, *values] for date, values in zip(dates, table, strict=True))]


def test_a_workbook_with_text_dates_and_one_with_day_counts(tmp_path: Path) -> None:
    path = tmp_path / "prices.xlsx"
    path.write_bytes(xlsx({"Sheet1": rows(ISO)}))
    assert check(str(path)) == ()
    counts = (FRAME["date"] - pd.Timestamp("1899-12-30")).dt.days.tolist()
    path.write_bytes(xlsx({"Sheet1": rows(counts)}))
    assert "as a spreadsheet's serial day" in check(str(path))[0]


def test_the_first_sheet_with_prices_is_read_or_the_one_that_is_named(tmp_path: Path) -> None:
    path = tmp_path / "prices.xlsx"
    other = [["date", "close"], ["2026-11-19", 7.5], ["2026-11-20", 8.5]]
    path.write_bytes(xlsx({"About": [["a report", "of"], ["some", "kind"]], "Prices": rows(ISO), "Other": other}))
    assert check(str(path)) == ("read the first sheet with prices, 'Prices', of 3 sheets.",)
    assert read_prices(path, sheet="Other", today=TODAY).series[0].close.tolist() == [7.5, 8.5]
    with pytest.raises(UsageError, match=r"no sheet 'Nope' in 'prices'. It has: 'About', 'Prices', 'Other'"):
        read_prices(path, sheet="Nope")


def test_where_no_sheet_is_a_table_the_longest_says_why(tmp_path: Path) -> None:
    (tmp_path / "prices.xlsx").write_bytes(
        xlsx({"About": [["by ACME"]], "Days": [["date", "name"]] + [[ISO[0], "a"]] * 9})
    )
    with pytest.raises(UnreadableSource, match="'Days'.*the longest is 'Days': a table needs prices"):
        read_prices(tmp_path / "prices.xlsx")
    (tmp_path / "prices.xlsx").write_bytes(xlsx({"Empty": [], "Days": [["date", "name"]] + [[ISO[0], "a"]] * 9}))
    with pytest.raises(UnreadableSource, match=r"^a table needs prices; no price column among 'date', 'name'"):
        read_prices(tmp_path / "prices.xlsx")


def test_an_open_document(tmp_path: Path) -> None:
    def ods_cell(value: object) -> str:
        if isinstance(value, str):
            return f'<table:table-cell office:value-type="string"><text:p>{value}</text:p></table:table-cell>'
        return f'<table:table-cell office:value-type="float" office:value="{value}"/>'

    urn = "urn:oasis:names:tc:opendocument:xmlns"
    body = "".join(f"<table:table-row>{''.join(map(ods_cell, row))}</table:table-row>" for row in rows(ISO))
    path = tmp_path / "prices.ods"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("META-INF/manifest.xml", f'<m:manifest xmlns:m="{urn}:manifest:1.0"/>')
        archive.writestr(
            "content.xml",
            f'<office:document-content xmlns:office="{urn}:office:1.0" xmlns:table="{urn}:table:1.0" '
            f'xmlns:text="{urn}:text:1.0"><office:body><office:spreadsheet><table:table table:name="Prices">{body}'
            '<table:table-row table:number-rows-repeated="1048000"><table:table-cell/></table:table-row>'
            "</table:table></office:spreadsheet></office:body></office:document-content>",
        )
    assert check(str(path)) == ()


def test_a_stray_cell_in_the_last_corner_is_refused_before_it_takes_all_memory(tmp_path: Path) -> None:
    path = tmp_path / "prices.xlsx"
    path.write_bytes(xlsx({"Sheet1": rows(ISO)}, stray="XFD1048576"))
    with pytest.raises(UnreadableSource, match="reaches row 1,048,576 and column 16,384"):
        read_prices(path)


def test_a_sheet_of_a_csv_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    FRAME.to_csv(path, index=False)
    with pytest.raises(UsageError, match="a sheet is part of a spreadsheet; 'prices' is none"):
        read_prices(path, sheet="Sheet1")


VALUES = FRAME.drop(columns="date").to_dict("list")
RECORDS = [{"date": day, **{name: VALUES[name][at] for name in VALUES}} for at, day in enumerate(ISO)]
SECONDS = FRAME["date"].to_numpy().astype("M8[s]").astype(int).tolist()


@pytest.mark.parametrize(
    "document",
    [
        RECORDS,
        {"status": "OK", "results": RECORDS},
        {"date": ISO, **VALUES},
        {
            day: {f"{at}. {name}": str(row[name]) for at, name in enumerate(VALUES, 1)}
            for day, row in zip(ISO, RECORDS, strict=True)
        },
        {name: dict(zip(ISO, VALUES[name], strict=True)) for name in VALUES},
        {"columns": list(VALUES), "index": ISO, "data": [list(row) for row in zip(*VALUES.values(), strict=True)]},
        [["date", *VALUES], *([day, *row] for day, row in zip(ISO, zip(*VALUES.values(), strict=True), strict=True))],
        {"chart": {"result": [{"timestamp": SECONDS, "indicators": {"quote": [VALUES]}}]}},
    ],
    ids=["rows", "answer", "columns", "by date", "by column", "split", "lists", "chart"],
)
def test_json(tmp_path: Path, document: object) -> None:
    path = tmp_path / "prices.json"
    path.write_text(json.dumps(document))
    check(str(path))


def test_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "prices.jsonl"
    path.write_text("\n".join(map(json.dumps, RECORDS)))
    check(str(path))


@pytest.mark.parametrize(
    ("text", "rule"),
    [('[{"a": 1}, {', "damaged JSON"), ("{}", "JSON must hold rows"), ("[" * 100_000, "too deeply nested")],
)
def test_json_without_a_table(tmp_path: Path, text: str, rule: str) -> None:
    path = tmp_path / "prices.json"
    path.write_text(text)
    with pytest.raises(UnreadableSource, match=rule):
        read_prices(path)


def test_tables_of_pyarrow_and_polars() -> None:
    assert check(pa.Table.from_pandas(FRAME)) == ()
    polars = pytest.importorskip("polars")
    assert check(polars.from_pandas(FRAME)) == ()
    assert check(polars.from_pandas(FRAME).with_columns(polars.col("date").cast(polars.Date))) == ()
    with pytest.raises(UsageError, match="a Series is no table of prices"):
        read_prices(polars.Series("close", [1.5, 2.5]))


@pytest.mark.parametrize(("separator", "decimal"), [(",", "."), (";", ",")])
def test_a_large_file_is_read_in_blocks_as_a_small_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, separator: str, decimal: str
) -> None:
    path = tmp_path / "prices.csv"
    FRAME.to_csv(path, index=False, sep=separator, decimal=decimal)
    small = check(str(path))
    seen: list[tuple[int, int]] = []
    monkeypatch.setattr(sources, "LARGE", 100)
    monkeypatch.setattr("gatecast.readers.large._HEAD", 400)
    monkeypatch.setattr("gatecast.readers.large._BLOCK", 200)
    monkeypatch.setattr("gatecast.readers.large._CELLS", 1)
    assert check(str(path)) == small
    read_prices(path, progress=lambda now: seen.append((now.done, now.total)), today=TODAY)
    size = path.stat().st_size
    assert len(seen) > 2 and seen == sorted(seen) and seen[-1] == (size, size)


def test_a_word_late_in_a_large_file_is_refused_by_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "prices.csv"
    text = FRAME.to_csv(index=False).replace("39.125", "oops")
    path.write_text(text)
    monkeypatch.setattr(sources, "LARGE", 100)
    monkeypatch.setattr("gatecast.readers.large._HEAD", 400)
    monkeypatch.setattr("gatecast.readers.large._BLOCK", 200)
    monkeypatch.setattr("gatecast.readers.large._CELLS", 1)
    with pytest.raises(UnsafeData, match="close must be a number; 'prices' has close 'oops' at line 30"):
        read_prices(path, today=TODAY)


def test_a_blank_before_a_word_in_a_large_file_stays_blank(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "prices.csv"
    path.write_text(FRAME.to_csv(index=False).replace("12.125", "").replace(",39.125", ",?"))
    kept = [read_prices(path, today=TODAY, repair=True).series[0].close.tolist()]
    monkeypatch.setattr(sources, "LARGE", 100)
    monkeypatch.setattr("gatecast.readers.large._HEAD", 400)
    monkeypatch.setattr("gatecast.readers.large._BLOCK", 200)
    monkeypatch.setattr("gatecast.readers.large._CELLS", 1)
    kept.append(read_prices(path, today=TODAY, repair=True).series[0].close.tolist())
    assert kept[0] == kept[1]


@pytest.mark.parametrize(
    ("encoding", "code", "header"),
    [
        ("Windows-1250", "cp1250", "Data,Otwarcie,Najwyższy,Najniższy,Zamknięcie,Wolumen"),
        ("Windows-1251", "cp1251", "Дата,Открытие,Максимум,Минимум,Закрытие,Объём"),
        ("Windows-1254", "cp1254", "Tarih,Açılış,Yüksek,Düşük,Kapanış,Hacim"),
        ("GB18030", "gb18030", "日期,开盘,最高,最低,收盘,成交量"),
        ("Big5", "cp950", "日期,開盤價,最高價,最低價,收盤價,成交量"),
        ("Shift-JIS", "cp932", "日付,始値,高値,安値,終値,出来高"),
        ("EUC-KR", "cp949", "날짜,시가,고가,저가,종가,거래량"),
        ("Windows-1252", "cp1252", "Datum,Eröffnung,Höchst,Tief,Schlußkurs,Stückzahl"),
    ],
)
def test_the_words_of_a_header_tell_an_older_encoding(encoding: str, code: str, header: str, tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    lines = [",".join(map(str, row)) for row in rows(ISO)[1:]]
    path.write_bytes("\n".join([header, *lines]).encode(code))
    notes = check(str(path))
    assert notes[0] == f"read the text as {encoding}: it is not valid UTF-8."
    assert encoding == "Windows-1252" or len(notes) == 1  # every column is known by its name


def test_decimal_commas_divide_no_cells_where_semicolons_do(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_text("18.11.2026;120,40\n19.11.2026;120,50\n20.11.2026;121,40\n")
    assert read_prices(str(path), header=False, date="1", close="2")["prices"].close[-1] == 121.4


@pytest.mark.parametrize("written", ["%Y%m%d", "%s000"])
def test_an_index_of_whole_numbers_without_a_name_may_be_dates(written: str) -> None:
    days = pd.date_range("2026-11-18", periods=3)
    index = [int(day.strftime(written)) if "%Y" in written else day.value // 10**6 for day in days]
    table = read_prices(pd.DataFrame({"close": [1.5, 1.6, 1.7]}, index=index))
    assert str(table["item"].timestamps[-1])[:10] == "2026-11-20"
    counts = pd.DataFrame({"date": days, "close": [1.5, 1.6, 1.7]}, index=[7, 8, 9])
    assert read_prices(counts).item_ids == ("item",)


@pytest.mark.parametrize(
    ("header", "row", "last"),
    [
        ("year,month,day,close", "{0.year},{0.month},{0.day},{1}", "2021-02-28"),
        ("Jahr;Monat;Tag;Schlusskurs", "{0.year};{0:%m};{0:%d};{1}", "2021-02-28"),
        ("Year,Month,Price", "{0.year},{0.month},{1}", "2024-11-01"),
        ("Year,Month,Price", "{0.year},{0:%b},{1}", "2024-11-01"),
        ("Year,Period,Price", "{0.year},M{0:%m},{1}", "2024-11-01"),
        ("Year,Quarter,Price", "{0.year},{0.quarter},{1}", "2035-07-01"),
        ("年,月,日,收盘", "{0.year},{0.month},{0.day},{1}", "2021-02-28"),
    ],
)
def test_a_date_in_several_columns_is_joined(tmp_path: Path, header: str, row: str, last: str) -> None:
    freq = "D" if header.count(",") + header.count(";") > 2 else "QS" if "Quarter" in header else "MS"
    days = (
        pd.date_range("2021-01-01", periods=59, freq=freq)
        if freq != "MS"
        else pd.date_range("2020-01-01", periods=59, freq=freq)
    )
    text = "\n".join([header, *(row.format(day, f"1{at % 7}.5") for at, day in enumerate(days))])
    path = tmp_path / "prices.csv"
    path.write_text(text, encoding="utf-8")
    table = read_prices(str(path), today=datetime.date(2040, 1, 1))
    assert [len(series) for series in table] == [59]
    assert str(table["prices"].timestamps[-1])[:10] == last
    assert any("to a date." in note for note in texts(table.notes))


def test_a_date_beside_its_year_and_month_is_the_date(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_text("Date,Year,Month,Close\n2026-11-19,2026,11,1.5\n2026-11-20,2026,11,1.6\n")
    assert str(read_prices(str(path))["prices"].timestamps[-1])[:10] == "2026-11-20"


def test_a_column_for_each_month_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    names = ",".join(f"{pd.Timestamp(2020, month, 1):%b}" for month in range(1, 13))
    rows = "".join(f"{year}," + ",".join(f"1{month % 7}.5" for month in range(12)) + "\n" for year in range(2000, 2020))
    path.write_text(f"Year,{names}\n{rows}")
    with pytest.raises(UnreadableSource, match="columns 'Jan', 'Feb', 'Mar' and 9 more are the months of a year"):
        read_prices(str(path))


@pytest.mark.parametrize(
    ("name", "refusal"),
    [("a.parquet", "the Parquet file 'a' ends too early"), ("a.xlsx", "damaged, cut off or locked. Download it again")],
)
def test_half_a_file_is_named_as_such(name: str, refusal: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if name == "a.parquet":
        FRAME.to_parquet(path)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("[Content_Types].xml", "<a/>" * 1000)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UnreadableSource, match=refusal):
        read_prices(path)
