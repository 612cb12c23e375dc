"""Names of vendors and exchanges, columns that are no asset, and notes that say no more than is true."""

# ruff: noqa: RUF001 - words of many scripts

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from conftest import texts
from gatecast.errors import UnreadableSource
from gatecast.prices import PriceTable
from gatecast.readers.read import read_prices
from test_columns import ohlcv

FRAME = ohlcv()
ORDER = ["date", "open", "high", "low", "close", "volume"]


def read(folder: Path, frame: pd.DataFrame) -> PriceTable:
    path = folder / "ACME.csv"
    path.write_text(frame.to_csv(index=False), encoding="utf-8")
    return read_prices(path)


def named(header: str, **more: pd.Series) -> pd.DataFrame:
    """The days under these names and those of `more` columns."""
    return FRAME.set_axis(header.split(","), axis=1).assign(**more)


def is_frame(table: PriceTable) -> None:
    for series in table:
        assert set(series.columns()) == set(ORDER) - {"date"}
        for name, column in series.columns().items():
            assert column.tolist() == FRAME[name].tolist(), name
    assert len(table) == 1


@pytest.mark.parametrize(
    "header",
    [
        "Date,Price Open,Price High,Price Low,Price Close,Volume",
        "TRADE_DT,OPEN_PX,HIGH_PX,LOW_PX,CLOSE_PX,VOL",
        "Date,OpenBid,HighBid,LowBid,CloseBid,Volume",
        "Date,OPEN_PRC,HIGH_1,LOW_1,TRDPRC_1,ACVOL_UNS",
        "TradDt,OpnPric,HghPric,LwPric,ClsPric,TtlTradgVol",
        "DATPRE,PREABE,PREMAX,PREMIN,PREULT,QUATOT",
        "Date,Open,High,Low,Close,Total Trade Quantity",
        "Date,Open,High,Low,Last,Number of Shares",
        "Date;Ouverture;Plus haut;Plus bas;Clôture;Nb titres".replace(";", ","),
        "Date,ACME.Open,ACME.High,ACME.Low,ACME.Close,Volume",
    ],
)
def test_names_of_vendors_and_exchanges(header: str, tmp_path: Path) -> None:
    frame = named(header, BID=FRAME["close"] - 0.01, ASK=FRAME["close"] + 0.01, VWAP=FRAME["close"] + 0.003)
    is_frame(read(tmp_path, frame))


def test_an_asset_called_as_a_field_stays_one(tmp_path: Path) -> None:
    frame = FRAME[["date"]].assign(**{"LOW.Close": FRAME["close"], "HD.Close": 2 * FRAME["close"]})
    low, hd = read(tmp_path, frame)
    assert low.item_id.startswith("LOW") and low.close.tolist() == FRAME["close"].tolist()
    assert hd.item_id.startswith("HD") and hd.close.tolist() == (2 * FRAME["close"]).tolist()


@pytest.mark.parametrize(
    ("shares", "money"),
    [("Adet", "Hacim (TL)"), ("Объем, шт.", "Объем, руб."), ("Volume BTC", "Volume USD"), ("Volume", "Volume ($)")],
)
@pytest.mark.parametrize("first", [True, False])
def test_a_volume_of_shares_goes_before_one_of_money(shares: str, money: str, first: bool, tmp_path: Path) -> None:
    columns = {shares: FRAME["volume"], money: FRAME["volume"] * FRAME["close"]}
    order = [shares, money] if first else [money, shares]
    table = read(tmp_path, FRAME.drop(columns="volume").assign(**{name: columns[name] for name in order}))
    is_frame(table)
    assert any(f"'{money}'" in note for note in texts(table.notes))


def test_a_volume_of_money_is_taken_where_it_is_the_only_one(tmp_path: Path) -> None:
    is_frame(read(tmp_path, FRAME.rename(columns={"volume": "Volume USD"})))


@pytest.mark.parametrize(
    "other", [np.ones(60), np.arange(60) + 4, np.arange(60)[::-1]], ids=["nominal", "count", "count back"]
)
def test_a_nominal_or_a_number_is_no_asset(other: np.ndarray, tmp_path: Path) -> None:
    table = read(tmp_path, FRAME[["date"]].assign(nominal=other.astype(int), AAA=FRAME["close"]))
    assert table.item_ids == ("AAA",)
    assert "ignored the other columns: 'nominal'." in texts(table.notes)
    pegged = read(tmp_path, FRAME[["date"]].assign(AED=3.6725, AAA=FRAME["close"]))
    assert pegged.item_ids == ("AED", "AAA")


def test_a_volume_alone_is_no_price(tmp_path: Path) -> None:
    frame = FRAME[["date"]].assign(Venue="XETR", Volume=FRAME["volume"])
    with pytest.raises(UnreadableSource, match=r"no price column .* or give a numeric column per asset\.$"):
        read(tmp_path, frame)
    assert read(tmp_path, frame.assign(AAA=FRAME["close"])).item_ids == ("AAA",)


def test_statistics_of_a_central_bank(tmp_path: Path) -> None:
    frame = pd.DataFrame({"KEY": "EXR.D", "TIME_PERIOD": FRAME["date"], "OBS_VALUE": FRAME["close"], "UNIT_MULT": 0})
    (series,) = read(tmp_path, frame)
    assert series.close.tolist() == FRAME["close"].tolist()


def test_rows_of_fields_are_refused(tmp_path: Path) -> None:
    melted = FRAME.melt("date", var_name="field")
    with pytest.raises(UnreadableSource, match=r"need a column each; column 'field' holds close, high.*pivot\(") as no:
        read(tmp_path, melted)
    assert "\n" not in str(no.value)
    stocks = melted.replace({"field": {"open": "OPEN", "high": "HD", "low": "LOW", "close": "C", "volume": "V"}})
    assert len(read(tmp_path, stocks[stocks["field"].isin(["HD", "LOW"])]).item_ids) == 2


@pytest.mark.parametrize("name", ["Qx", "Referencia", "PREVCLOSE"])
def test_the_close_before_is_no_open(name: str, tmp_path: Path) -> None:
    before = FRAME["close"].shift(1, fill_value=100.0)
    around = {
        "high": FRAME["high"].where(FRAME["high"] > before, before),
        "low": FRAME["low"].where(FRAME["low"] < before, before),
    }
    (series,) = read(tmp_path, FRAME.drop(columns="open").assign(**around, **{name: before}))
    assert series.open is None


def test_without_a_header_the_close_stands_before_the_volume(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(FRAME[["date", "close", "volume"]].to_csv(index=False, header=False))
    with pytest.raises(UnreadableSource, match='date="1" and close="2"'):
        read_prices(tmp_path / "a.csv")


def test_notes_say_what_is_so(tmp_path: Path) -> None:
    table = read(tmp_path, FRAME.assign(Settle=FRAME["close"] + 0.01, exchange="XETR"))
    assert texts(table.notes) == ("ignored the other columns: 'Settle', 'exchange'.",)
    table = read(tmp_path, FRAME.assign(exchange="XETR"))
    assert texts(table.notes) == ("ignored columns that hold no prices: 'exchange'.",)
    table = read(tmp_path, FRAME.rename(columns={"close": "Cloes"}))
    assert texts(table.notes) == ("took column 'Cloes' as close by their values.",)
    table = read(tmp_path, named("Qa,Qb,Qc,Qd,Qe,Qf"))
    assert texts(table.notes)[0].endswith("by their values; if 'Qb' is the close, pass close=\"Qb\".")


def test_a_short_name_of_a_volume_may_be_an_asset(tmp_path: Path) -> None:
    frame = FRAME[["date"]].assign(KL=FRAME["close"], AEM=2 * FRAME["close"])
    assert read(tmp_path, frame).item_ids == ("KL", "AEM")
