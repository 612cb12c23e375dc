"""A row that is blank in every field of an item is a day it did not trade; a hole inside a row is refused."""

from __future__ import annotations

import datetime
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from conftest import texts
from gatecast.errors import UnsafeData
from gatecast.readers.read import read_prices

DAYS = pd.date_range("2021-01-04", periods=42)  # every day, as a coin trades
OPEN = DAYS.day_of_week < 5
COIN = 1000 + np.arange(42) / 4
STOCK = np.where(OPEN, 50 + np.arange(42) / 8, np.nan)
LATE = np.where(np.arange(42) < 20, np.nan, STOCK)
NOTE = "dropped blank rows between prices, on which an item did not trade: "


def two_levels() -> pd.DataFrame:
    """A download of yfinance: fields and tickers over the columns."""
    volumes = {name: np.where(np.isnan(close), np.nan, 7.0) for name, close in (("STK", STOCK), ("NEW", LATE))}
    frame = pd.DataFrame(
        {
            ("Close", "STK"): STOCK,
            ("Close", "COIN"): COIN,
            ("Close", "NEW"): LATE,
            ("Volume", "STK"): volumes["STK"],
            ("Volume", "COIN"): 9.0,
            ("Volume", "NEW"): volumes["NEW"],
        },
        index=pd.DatetimeIndex(DAYS, name="Date"),
    )
    return frame.rename_axis(columns=["Price", "Ticker"])


def wide() -> pd.DataFrame:
    return pd.DataFrame({"date": DAYS, "STK": STOCK, "COIN": COIN, "NEW": LATE})


def long() -> pd.DataFrame:
    return wide().melt("date", var_name="ticker", value_name="close")


def as_file(frame: pd.DataFrame, path: Path, blank: str) -> Path:
    text = io.StringIO()
    frame.to_csv(text, na_rep=blank, index=frame.index.name == "Date")
    path.write_text(text.getvalue())
    return path


@pytest.mark.parametrize("layout", [two_levels, wide, long])
@pytest.mark.parametrize("blank", [None, "", "N/A", "ND", "."])
def test_days_without_trade_are_dropped_with_one_note(
    layout: Callable[[], pd.DataFrame], blank: str | None, tmp_path: Path
) -> None:
    frame = layout()
    table = read_prices(frame if blank is None else as_file(frame, tmp_path / "X.csv", blank))
    assert (table["COIN"].close == COIN).all()
    for name, close in (("STK", STOCK), ("NEW", LATE)):
        priced = ~np.isnan(close)
        assert (table[name].close == close[priced]).all()
        assert (table[name].timestamps == DAYS.to_numpy()[priced]).all()
    (note,) = [note for note in texts(table.all_notes()) if NOTE in note]
    assert "10 of 'STK' from " in note and "(2021-01-09) on, 4 of 'NEW' from " in note


def test_a_series_with_blank_holidays_and_words_for_them(tmp_path: Path) -> None:
    path = tmp_path / "DCOIL.csv"
    path.write_text("date,DCOIL\n2021-01-04,50\n2021-01-05,\n2021-01-06,51\n2021-01-07,Holiday\n2021-01-08,52\n")
    table = read_prices(path)
    assert table["DCOIL"].close.tolist() == [50, 51, 52]
    assert texts(table.all_notes()) == (NOTE + "2 of 'DCOIL' from line 3 (2021-01-05) on.",)


def test_a_volume_of_zero_beside_blank_prices_is_no_trade() -> None:
    frame = pd.DataFrame({"date": DAYS, "open": COIN, "close": COIN, "volume": 5.0})
    frame.loc[7, ["open", "close"]] = np.nan
    frame.loc[7, "volume"] = 0.0
    assert len(read_prices(frame)["item"]) == 41


@pytest.mark.parametrize("hole", [["close"], ["open"], ["open", "close"]])
def test_a_hole_inside_a_row_is_refused(hole: list[str]) -> None:
    frame = pd.DataFrame({"date": DAYS, "open": COIN, "close": COIN, "volume": 5.0})
    frame.loc[7, hole] = np.nan
    with pytest.raises(UnsafeData, match=r"present and finite inside the history; .* at row 8 \(2021-01-11\)"):
        read_prices(frame)


def test_a_column_that_ended_long_ago_goes_on_from_its_last_day(tmp_path: Path) -> None:
    frame = wide().assign(OLD=np.where(np.arange(42) < 15, COIN, np.nan))
    table = read_prices(as_file(frame[["date", "COIN", "OLD"]], tmp_path / "X.csv", "N/A"))
    assert table["OLD"].timestamps[-1] == np.datetime64("2021-01-18")
    assert texts(table["OLD"].notes) == (
        "dropped 27 blank rows after the last price, that of 2021-01-18: its forecast goes on from there.",
    )


def test_a_blank_row_never_conflicts_with_a_priced_row_of_its_day() -> None:
    frame = pd.concat([wide()[["date", "COIN"]], pd.DataFrame({"date": [DAYS[9]], "COIN": [np.nan]})])
    assert (read_prices(frame)["COIN"].close == COIN).all()


def test_the_files_that_people_have(shared_data: Path) -> None:
    today = datetime.date(2026, 11, 27)
    table = read_prices(shared_data / "cases" / "yf_multi_three_with_coin.csv", today=today)
    assert {item: len(table[item]) for item in table.item_ids} == {"ZZTA": 417, "COIN-USD": 500, "LATE": 167}
    assert sum(NOTE in note for note in texts(table.all_notes())) == 1
    (oil,) = read_prices(shared_data / "cases" / "fred_blank_holidays.csv", today=today)
    assert len(oil) == 397 and oil.close[-1] == 47.77
    rates = read_prices(shared_data / "cases" / "ecb_wide_na.csv", today=today)
    assert rates["USD"].close[-1] == 1.0222 and "2026-05-07" in " ".join(texts(rates["OLD"].notes))
