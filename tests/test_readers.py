"""Reading: every layout and spelling gives the same table; each decision is noted."""

from __future__ import annotations

import builtins
import gzip
import io
import os
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from conftest import texts
from gatecast.errors import UnreadableSource, UnsafeData, UsageError
from gatecast.prices import PriceTable
from gatecast.readers.read import read_prices
from gatecast.readers.sources import SAMPLES

RECORDED = Path(__file__).parent / "recorded"
DAYS = pd.bdate_range("2021-01-04", periods=30)
CLOSE = np.round(100 + 5 * np.sin(np.arange(30)) + np.arange(30) / 4, 2)


def write(folder: Path, content: str | bytes, name: str = "ACME.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def table_text(
    *, sep: str = ",", date: str = "%Y-%m-%d", price: str = "{:.2f}", head: str = "date,close", quote: str = ""
) -> str:
    rows = [
        f"{quote}{day.strftime(date)}{quote}{sep}{quote}{price.format(close)}{quote}"
        for day, close in zip(DAYS, CLOSE, strict=True)
    ]
    return "\n".join([head.replace(",", sep), *rows]) + "\n"


def same(table: PriceTable) -> None:
    (series,) = table
    assert (series.timestamps == DAYS.to_numpy()).all()
    np.testing.assert_allclose(series.close, CLOSE, rtol=0, atol=1e-12)


def european(text: str) -> str:
    return text.replace(",", "~").replace(".", ",").replace("~", ".")


@pytest.mark.parametrize("sep", [",", ";", "\t", "|"])
@pytest.mark.parametrize("head", ["date,close", "DATE,CLOSE", "Date,Adj Close", "ds,y", " Timestamp , Price "])
def test_separators_and_names(tmp_path: Path, sep: str, head: str) -> None:
    table = read_prices(write(tmp_path, table_text(sep=sep, head=head)))
    same(table)
    assert table.item_ids == ("ACME",)
    assert table.all_notes() == ()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1252"], ids=str)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["unix", "dos", "mac"])
def test_encodings_and_line_ends(tmp_path: Path, encoding: str, end: str) -> None:
    head = "daté,close" if encoding == "cp1252" else "date,close"
    table = read_prices(write(tmp_path, table_text(head=head).replace("\n", end).encode(encoding)))
    same(table)
    assert any("Windows-1252" in note for note in texts(table.notes)) == (encoding == "cp1252")


@pytest.mark.parametrize(
    "spelling",
    [
        "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m/%d/%y",
        "%b %d, %Y", "%B %d, %Y", "%d %b %Y", "%d-%b-%y", "%d-%b-%Y", "%a, %b %d, %Y", "%Y-%m-%dT%H:%M:%S",
        "%Y-%m-%d %H:%M:%S", "%Y-%m-%d 00:00:00+00:00", "%Y-%m-%d 00:00:00-05:00", "%Y-%m-%dT00:00:00Z",
        "%Y-%m-%dT00:00:00.000Z", "%m/%d/%Y %H:%M", "%Y-%m-%d %I:%M:%S %p", "%Y%m%d %H%M%S",
    ],
)  # fmt: skip
def test_date_spellings(tmp_path: Path, spelling: str) -> None:
    table = read_prices(write(tmp_path, table_text(date=spelling, quote='"')))
    same(table)
    assert any("first" in note for note in texts(table.notes)) == (spelling[:2] in {"%m", "%d"} and "b" not in spelling)
    assert any("which is UTC" in note for note in texts(table.notes)) == spelling.endswith(("Z", "00:00"))
    assert any("time zone" in note for note in texts(table.notes)) == spelling.endswith(("Z", "00:00", "05:00"))


@pytest.mark.parametrize("scale", [1, 1_000, 1_000_000, 1_000_000_000])
def test_epochs(tmp_path: Path, scale: int) -> None:
    ticks = (DAYS.to_numpy().astype("datetime64[s]").astype(np.int64) * scale).astype(str)
    text = "date,close\n" + "".join(f"{t},{c}\n" for t, c in zip(ticks, CLOSE, strict=True))
    table = read_prices(write(tmp_path, text))
    same(table)
    assert "since 1970" in texts(table.notes)[0]
    same(read_prices(pd.DataFrame({"date": ticks.astype(np.int64), "close": CLOSE})))


def test_an_ambiguous_order_is_refused_and_a_single_cell_decides(tmp_path: Path) -> None:
    rows = [f"0{day}/0{month}/2021,{10 + day}" for month in (3, 4) for day in range(1, 8)]
    with pytest.raises(UnreadableSource, match="the order of day and month must be clear"):
        read_prices(write(tmp_path, "date,close\n" + "\n".join(rows)))
    table = read_prices(write(tmp_path, "date,close\n" + "\n".join([*rows, "13/04/2021,20"])))
    assert str(table["ACME"].timestamps[0])[:10] == "2021-03-01"
    with pytest.raises(UnreadableSource, match="the same order everywhere"):
        read_prices(write(tmp_path, "date,close\n13/04/2021,1\n04/13/2021,2\n"))


@pytest.mark.parametrize(
    ("price", "sep"),
    [("{:,.2f}", ","), ("${:,.2f}", ","), ("{:.2f} €", ","), ("€ {:,.2f}", ","), ("+{:.2f}", ","), ("{:.4e}", ";")],
)
def test_number_spellings(tmp_path: Path, price: str, sep: str) -> None:
    same(read_prices(write(tmp_path, table_text(price=price, sep=sep, quote='"'))))


def test_decimal_comma_and_thousands(tmp_path: Path) -> None:
    rows = [
        f"{day:%Y-%m-%d};{european(f'{1000 * close:,.2f}')};1.{i:03d}"
        for i, (day, close) in enumerate(zip(DAYS, CLOSE, strict=True))
    ]
    table = read_prices(write(tmp_path, "date;close;volume\n" + "\n".join(rows)))
    np.testing.assert_allclose(table["ACME"].close, 1000 * CLOSE, atol=1e-9)
    assert table["ACME"].volume is not None and table["ACME"].volume[1] == 1001  # the close says what 1.001 means
    with pytest.raises(UnreadableSource, match="a comma must be clearly"):
        read_prices(write(tmp_path, "date;close\n2021-01-04;1,234\n2021-01-05;1,250\n"))


def test_layouts(tmp_path: Path) -> None:
    days = [f"{day:%Y-%m-%d}" for day in DAYS]
    kaggle = "date,open,high,low,close,volume,Name\n" + "".join(
        f"{d},{c},{c},{c},{c},100,{name}\n" for name in ("AAL", "MSFT") for d, c in zip(days, CLOSE, strict=True)
    )
    table = read_prices(write(tmp_path, kaggle))
    assert table.item_ids == ("AAL", "MSFT") and list(table["AAL"].columns()) == [
        "open",
        "high",
        "low",
        "close",
        "volume",
    ]
    stooq = "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>\n" + "".join(
        f"ACME.US,D,{d.replace('-', '')},000000,{c},{c},{c},{c},7,0\n" for d, c in zip(days, CLOSE, strict=True)
    )
    table = read_prices(write(tmp_path, stooq))
    same(table)
    assert table.item_ids == ("ACME.US",)
    nixtla = "unique_id,ds,y\n" + "".join(
        f"{u},{d},{c}\n" for d, c in zip(days, CLOSE, strict=True) for u in ("B", "A")
    )
    assert read_prices(write(tmp_path, nixtla)).item_ids == ("B", "A")
    wide = ",AAPL,C,V,LOW,note\n" + "".join(
        f"{d},{c},{c},{c if i > 3 else ''},{c if i < 20 else ''},x\n"
        for i, (d, c) in enumerate(zip(days, CLOSE, strict=True))
    )
    table = read_prices(write(tmp_path, wide))
    assert table.item_ids == ("AAPL", "C", "V", "LOW") and [len(series) for series in table] == [30, 30, 26, 20]
    assert "'note'" in texts(table.notes)[0]
    assert texts(table["V"].notes) == ("dropped 4 blank rows before the first price.",)
    assert texts(table["LOW"].notes) == ("dropped 10 blank rows after the last price.",)


def test_yfinance_layouts(tmp_path: Path) -> None:
    three = (RECORDED / "yahoo_aapl.csv").read_text()
    table = read_prices(write(tmp_path, three))
    assert table.item_ids == ("AAPL",) and len(table["AAPL"]) == 40
    frame = recorded_answer()
    from_frame = read_prices(frame)
    assert from_frame.data_hash() == table.data_hash()
    assert read_prices(frame.swaplevel(axis=1)).data_hash() == table.data_hash()
    flat = frame.droplevel(1, axis=1).reset_index()
    assert read_prices(write(tmp_path, flat.to_csv(index=False), "AAPL.csv")).data_hash() == table.data_hash()
    both = pd.concat([frame, frame.rename(columns={"AAPL": "TWIN"})], axis=1)
    assert read_prices(both).item_ids == ("AAPL", "TWIN")
    assert read_prices(write(tmp_path, both.to_csv())).item_ids == ("AAPL", "TWIN")


def test_adjusted_close_scales_all_prices(tmp_path: Path) -> None:
    text = "Date,Open,High,Low,Close,Adj Close,Volume\n2021-01-04,10,12,8,11,5.5,9\n2021-01-05,11,13,9,12,6,9\n"
    series = read_prices(write(tmp_path, text))["ACME"]
    assert series.columns().keys() == {"open", "high", "low", "close", "volume"}
    assert [series.columns()[name][0] for name in ("open", "high", "low", "close", "volume")] == [5, 6, 4, 5.5, 9]
    assert "adjusted" in texts(series.notes)[0]


@pytest.mark.parametrize("kind", ["gzip", "parquet", "frame", "index", "series", "stdin", "tz", "text frame"])
def test_carriers(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pd.DataFrame({"date": DAYS, "close": CLOSE})
    if kind == "gzip":
        same(read_prices(write(tmp_path, gzip.compress(table_text().encode()), "ACME.csv.gz")))
    elif kind == "parquet":
        frame.to_parquet(tmp_path / "ACME.parquet")
        same(read_prices(tmp_path / "ACME.parquet"))
    elif kind == "frame":
        same(read_prices(frame))
    elif kind == "index":
        same(read_prices(frame.set_index("date")))
    elif kind == "series":
        table = read_prices(frame.set_index("date")["close"].rename("ACME"))
        same(table)
        assert table.item_ids == ("ACME",)
    elif kind == "tz":
        same(read_prices(frame.assign(date=DAYS.tz_localize("America/New_York"))))
    elif kind == "text frame":
        same(read_prices(frame.assign(date=[f"{d:%d/%m/%Y}" for d in DAYS], close=[f"{c:.2f}" for c in CLOSE])))
    else:
        monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(buffer=io.BytesIO(table_text().encode())))
        same(read_prices("-"))


def test_samples() -> None:
    aapl = read_prices("sample:aapl")["AAPL"]
    assert len(aapl) == 3270 and aapl.has_range and aapl.volume is not None
    assert abs(np.diff(np.log(aapl.close))).max() < 0.8  # adjusted: no split is left
    assert len(read_prices("sample:eurusd")["EURUSD"]) == 5890
    for name in SAMPLES:
        read_prices(f"sample:{name}")
    with pytest.raises(UsageError, match="sample:aapl"):
        read_prices("sample:nothing")


def recorded_answer() -> pd.DataFrame:
    frame = pd.read_csv(RECORDED / "yahoo_aapl.csv", header=[0, 1], index_col=0, skiprows=[2])
    frame.index = pd.DatetimeIndex(frame.index, name="Date")
    return frame


def test_yahoo(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: dict[str, Any] = {"AAPL": recorded_answer(), "NONE": pd.DataFrame()}

    def download(ticker: str, **_: Any) -> pd.DataFrame:
        if ticker not in answers:
            raise ConnectionError("no route\nto host")
        return answers[ticker]

    monkeypatch.setitem(sys.modules, "yfinance", types.SimpleNamespace(download=download))
    table = read_prices("yahoo:AAPL")
    assert table.item_ids == ("AAPL",) and texts(table["AAPL"].notes)
    with pytest.raises(UnreadableSource, match="no prices for 'NONE'"):
        read_prices("yahoo:NONE")
    with pytest.raises(UnreadableSource, match="no route to host"):
        read_prices("yahoo:MSFT")
    with pytest.raises(UsageError, match="a Yahoo ticker is"):
        read_prices("yahoo:../etc")


def test_yahoo_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *rest: Any, **named: Any) -> Any:
        if name == "yfinance":
            raise ImportError(name)
        return real(name, *rest, **named)

    monkeypatch.delitem(sys.modules, "yfinance", raising=False)
    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(UsageError, match=r"pip install 'gatecast\[yahoo\]'"):
        read_prices("yahoo:AAPL")


def test_a_fifo_is_refused_without_being_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(UnreadableSource, match="pipe or device"):
        read_prices(tmp_path / "pipe.csv")


def test_calendar(tmp_path: Path) -> None:
    table = read_prices(write(tmp_path, table_text()), calendar="XNYS")
    assert table.calendar == "XNYS"
    assert texts(table["ACME"].notes) == (
        "1 row not on a session of XNYS, the first on 2021-01-18: check dates and calendar.",
    )
    with pytest.raises(UsageError, match="XNYS"):
        read_prices(write(tmp_path, table_text()), calendar="NOWHERE")


CLEAN = (
    "daily/aapl_raw_unadjusted_ohlcv_2000_2013.csv",
    "daily/btc_usd_ohlcv_2014_2021.csv",
    "daily/btc_usdt_binance_ohlcv_2018_2021.csv",
    "daily/eth_usd_ohlcv_2017_2021.csv",
    "daily/fx_ecb_reference_1999_2021.csv",
    "daily/goog_raw_unadjusted_ohlcv_2004_2013.csv",
    "daily/ibm_raw_unadjusted_ohlcv_2000_2013.csv",
    "daily/ko_ohlcv_2000_2021.csv",
    "daily/msft_adjusted_ohlcv_1986_2017.csv",
    "daily/msft_raw_unadjusted_ohlcv_2000_2013.csv",
    "daily/nasdaq_index_ohlcv_1999_2018.csv",
    "daily/sp500_index_ohlcv_1999_2018.csv",
    "daily/tsla_ohlcv_2010_2021.csv",
    "daily/vix_ohlc_1990_2021.csv",
    "intraday/eurusd_hourly_ohlcv_2017.csv.gz",
    "panel/us_stocks_20_adjclose_1990_2021.csv.gz",
    "panel/us_stocks_80_ohlcv_2005_2021.csv.gz",
    "panel/us_stocks_wide_550_ohlcv_2000_2021.parquet",
)


@pytest.mark.parametrize("name", CLEAN)
def test_shared_files_need_no_repair(name: str, shared_data: Path) -> None:
    table = read_prices(shared_data / name)
    assert all(len(series) > 1000 for series in table)
    if "vix" in name:
        notes = texts(table.all_notes())
        assert any("widened low and high to include open and close in 47 rows" in note for note in notes)


def test_a_negative_price_is_refused_by_its_line(shared_data: Path) -> None:
    with pytest.raises(UnsafeData, match=r"'-36.98' at line 8645 \(2020-04-20\)"):
        read_prices(shared_data / "daily" / "wti_spot_close_1986_2021.csv")
